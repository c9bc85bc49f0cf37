"""Syntax of gfvc streams: bits, arithmetic coding, the `.gfv` container.

Integers only; SPEC.md is its description.
"""

from .container import KeyPicture, Picture, StreamParser, StreamReader, StreamWriter
from .errors import BitstreamError
from .header import Colour, Header
from .layout import Group, Layout, step_size
from .summary import StreamReport, read_report
from .tally import StreamSummary, StreamTally
from .units import Unit, UnitType

__all__ = [
    "BitstreamError",
    "Colour",
    "Group",
    "Header",
    "KeyPicture",
    "Layout",
    "Picture",
    "StreamParser",
    "StreamReader",
    "StreamReport",
    "StreamSummary",
    "StreamTally",
    "StreamWriter",
    "Unit",
    "UnitType",
    "read_report",
    "step_size",
]

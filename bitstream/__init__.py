"""Syntax of gfvc streams: bits, arithmetic coding, the `.gfv` container, and the standard carriage.

Integers only; SPEC.md is its description.
"""

from .carriage import open_reader, open_writer
from .container import KeyPicture, Picture, StreamParser, StreamReader, StreamWriter
from .elementary_reader import ElementaryReader
from .elementary_writer import ElementaryWriter
from .errors import BitstreamError, CarriageError
from .header import Colour, Header
from .layout import Group, Layout, step_size
from .summary import StreamReport, read_report
from .tally import StreamSummary, StreamTally
from .units import Unit, UnitType

__all__ = [
    "BitstreamError",
    "CarriageError",
    "Colour",
    "ElementaryReader",
    "ElementaryWriter",
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
    "open_reader",
    "open_writer",
    "read_report",
    "step_size",
]

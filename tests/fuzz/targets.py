"""What is fuzzed: functions of arbitrary bytes that may raise nothing, but use up what a BitstreamError tells."""

from __future__ import annotations

import contextlib
import copy
import io

from bitstream import BitstreamError, Colour, Group, Header, Layout, StreamReader, open_reader
from bitstream.check import check_stream
from bitstream.container import StreamParser
from bitstream.detect import GFV_FILE, detect
from bitstream.header import parse_fields
from bitstream.sei.check import check_sei_stream
from bitstream.sei.describe import describe
from bitstream.sei.messages import SYNTAXES
from bitstream.sei.parser import GfvParser, GfvWriter
from bitstream.sei.payload import GFV, GFVE
from bitstream.units import Unit, UnitType

_LAYOUT = Layout((Group(6, 2, 24, False), Group(4, 2, 25, True)))
_HEADER = Header(64, 64, (1, 25), 1, Colour(), "hevc", "420", "keypoints2d", _LAYOUT, "fuzz", bytes(8))


def container(data: bytes) -> None:
    """A `.gfv` stream; then the same bytes behind its checksums, which no mutation would get past."""
    for read in (check_stream, lambda source: list(StreamReader(source).units())):
        with contextlib.suppress(BitstreamError):
            read(io.BytesIO(data))
    with contextlib.suppress(BitstreamError):
        parse_fields(data)
    parser = StreamParser(_HEADER, 0, 0)
    for part in data.split(b"\xa5\x5a"):
        if part:
            unit = Unit(UnitType(part[0] & 3), part[1:], 0, len(part))
            with contextlib.suppress(BitstreamError):
                parser.accept(unit)


def nal(data: bytes) -> None:
    """An elementary stream: carriage, NAL units, SEI messages, checker, reader."""
    with contextlib.suppress(BitstreamError):
        carriage, source = detect(io.BytesIO(data))
        if carriage != GFV_FILE:
            report = check_sei_stream(source, carriage)
            if any(fault.offset > len(data) for fault in report.violations):
                raise RuntimeError("a violation beyond the end of the stream")
    with contextlib.suppress(BitstreamError):
        list(open_reader(io.BytesIO(data)).pictures())


def message(data: bytes) -> None:
    """GFV and GFVE payloads of one stream; the first byte of each part says which. What is read without fault is
    written again and has to mean the same."""
    if not data:
        return
    syntax = SYNTAXES[data[0] & 1]
    parser, again, writer = GfvParser(syntax), GfvParser(syntax), GfvWriter(syntax, allow_quirks=True)
    faithful = True
    for part in data[1:].split(b"\xa5\x5a"):
        kind = GFVE if part[:1] and part[0] & 1 else GFV
        parsed = parser.parse(kind, part[1:])
        value = describe(parsed)
        faithful = faithful and not parsed.violations
        if faithful and parsed.message is not None:
            try:
                written = writer.write(copy.deepcopy(parsed.message))
            except ValueError as error:
                if "does not fit" in str(error) or "0..4294967294" in str(error):
                    # A fraction that is carried into the largest integer part has no code.
                    return
                raise
            if describe(again.parse(kind, written)) != value:
                raise RuntimeError(f"{value} is not what was written")


TARGETS = {"container": container, "nal": nal, "message": message}

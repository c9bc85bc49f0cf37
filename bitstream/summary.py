"""Read a whole stream for its cost: what `gfvc info` shows."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from .carriage import open_reader
from .errors import BitstreamError
from .tally import StreamTally


class StreamReport(NamedTuple):
    """tally: the counts; units: a row per unit (offset, type, size_bytes, pictures); error: what ended the stream
    early, if anything; header_bytes: size of the file header, 0 in an elementary stream, which has none."""

    tally: StreamTally
    units: list[dict[str, int | str]]
    error: BitstreamError | None
    header_bytes: int


def read_report(source: BinaryIO) -> StreamReport:
    """Read a stream to its end or to its first fault.

    Raises BitstreamError only if the header cannot be read.
    """
    reader = open_reader(source)
    tally, rows, fault = StreamTally(reader.header, reader.header_size), [], None
    try:
        for unit, pictures in reader.units():
            tally.add(unit, [picture.ticks for picture in pictures])
            rows.append(
                {
                    "offset": unit.offset,
                    "type": unit.type.name.lower(),
                    "size_bytes": unit.size,
                    "pictures": len(pictures),
                }
            )
    except BitstreamError as error:
        fault = error
    return StreamReport(tally, rows, fault, reader.header_size)

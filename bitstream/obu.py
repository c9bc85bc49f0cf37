"""Open bitstream units of AV1: the two that a still picture needs (SPEC.md clause 8.5)."""

from __future__ import annotations

from .errors import BitstreamError
from .units import leb128

CLAUSE = "8.5"
SEQUENCE_HEADER, TEMPORAL_DELIMITER, FRAME = 1, 2, 6
# obu_header with obu_has_size_field: type in bits 3 to 6.
_DELIMITER = bytes((TEMPORAL_DELIMITER << 3 | 2, 0))


def parse_obus(data: bytes) -> list[tuple[int, bytes]]:
    """(obu_type, payload) of each unit of a low-overhead stream.

    Raises BitstreamError.
    """
    found, position = [], 0
    while position < len(data):
        header = data[position]
        start = position + (2 if header & 4 else 1)
        if start > len(data):
            raise BitstreamError("obu_extension_header is missing", offset=position, clause=CLAUSE)
        size, shift = len(data) - start, 0
        if header & 2:
            size = 0
            while True:
                if start >= len(data) or shift > 28:
                    raise BitstreamError("obu_size is cut", offset=position, clause=CLAUSE)
                byte = data[start]
                size |= (byte & 0x7F) << shift
                start, shift = start + 1, shift + 7
                if byte < 0x80:
                    break
        if size > len(data) - start:
            raise BitstreamError(f"obu_size {size}, {len(data) - start} bytes left", offset=position, clause=CLAUSE)
        found.append((header >> 3 & 15, data[start : start + size]))
        position = start + size
    return found


def split_obus(data: bytes) -> tuple[bytes, bytes]:
    """(sequence header, frame) of an encoder's output for one picture, both without OBU header and size.

    Raises ValueError.
    """
    units = parse_obus(data)
    sequence = [payload for kind, payload in units if kind == SEQUENCE_HEADER]
    frames = [payload for kind, payload in units if kind == FRAME]
    if not sequence or len(frames) != 1:
        raise ValueError(f"OBU types {[kind for kind, _ in units]}: one sequence header and one frame expected")
    return sequence[0], frames[0]


def join_obus(sequence: bytes, frame: bytes) -> bytes:
    """The converse: temporal delimiter, sequence header and frame as a low-overhead stream."""
    parts = [_DELIMITER]
    for kind, payload in ((SEQUENCE_HEADER, sequence), (FRAME, frame)):
        parts += [bytes((kind << 3 | 2,)), leb128(len(payload)), payload]
    return b"".join(parts)

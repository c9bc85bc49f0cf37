"""Units, the packets of a stream: type, size, payload, checksum (SPEC.md clause 6.4)."""

from __future__ import annotations

import binascii
import enum
import zlib
from typing import BinaryIO, NamedTuple

from .errors import BitstreamError
from .header import read_exactly

CLAUSE = "6.4"


class UnitType(enum.IntEnum):
    """unit_type, u(2)."""

    END = 0
    KEY_CONFIG = 1
    KEY_PICTURE = 2
    PARAMETERS = 3


# Largest payloads in bytes, checked before anything is read.
MAX_PAYLOAD = {UnitType.END: 8, UnitType.KEY_CONFIG: 1024, UnitType.KEY_PICTURE: 1 << 22, UnitType.PARAMETERS: 1 << 16}
# Units of parameters are many and short: two bytes of checksum; the others have four.
CHECKSUM_BYTES = {UnitType.END: 2, UnitType.KEY_CONFIG: 4, UnitType.KEY_PICTURE: 4, UnitType.PARAMETERS: 2}


class Unit(NamedTuple):
    """One unit: payload, where it begins in the stream, and how many bytes it takes with its header and checksum."""

    type: UnitType
    payload: bytes
    offset: int
    size: int

    @property
    def payload_offset(self) -> int:
        return self.offset + self.size - CHECKSUM_BYTES[self.type] - len(self.payload)


def checksum(unit_type: UnitType, header_crc: int, number: int, covered: bytes) -> bytes:
    """CRC over the header's CRC, the unit's number and its bytes: a unit that is lost, moved or from another stream
    does not fit.

    CRC-32 as in ISO-HDLC (zlib) or CRC-16 with polynomial 0x1021 and start value 0 (XMODEM), by the type of the unit.
    """
    seeded = header_crc.to_bytes(4, "big") + (number & 0xFFFFFFFF).to_bytes(4, "big") + covered
    if CHECKSUM_BYTES[unit_type] == 2:
        return binascii.crc_hqx(seeded, 0).to_bytes(2, "big")
    return zlib.crc32(seeded).to_bytes(4, "big")


def leb128(value: int) -> bytes:
    """Unsigned LEB128 of at most four bytes, least significant seven bits first.

    Raises ValueError beyond 2^28 - 1.
    """
    if not 0 <= value < 1 << 28:
        raise ValueError(f"{value} does not fit a leb128 of four bytes")
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def parse_leb128(data: bytes, position: int, *, clause: str) -> tuple[int, int]:
    """(value, position after it).

    Raises BitstreamError if it is cut, longer than four bytes or not the shortest form.
    """
    value = 0
    for count in range(4):
        if position + count >= len(data):
            raise BitstreamError("leb128 is cut", offset=position, clause=clause)
        byte = data[position + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            if count and not byte:
                raise BitstreamError("leb128 is not in its shortest form", offset=position, clause=clause)
            return value, position + count + 1
    raise BitstreamError("leb128 of more than 4 bytes", offset=position, clause=clause)


def write_unit(unit_type: UnitType, payload: bytes, header_crc: int, number: int) -> bytes:
    """A whole unit.

    Raises ValueError if the payload is larger than its type allows.
    """
    if len(payload) > MAX_PAYLOAD[unit_type]:
        raise ValueError(f"{unit_type.name} payload of {len(payload)} bytes, at most {MAX_PAYLOAD[unit_type]} expected")
    covered = leb128(len(payload) << 2 | unit_type) + payload
    return covered + checksum(unit_type, header_crc, number, covered)


class FramedUnit(NamedTuple):
    """A unit as it was found, before its checksum is compared: `stored` is there, `expected` would fit."""

    unit: Unit
    stored: bytes
    expected: bytes


def frame_unit(source: BinaryIO, offset: int, header_crc: int, number: int) -> FramedUnit | None:
    """The next unit without judging its checksum, or None at the end of the stream.

    Raises BitstreamError.
    """
    first = source.read(1)
    if not first:
        return None
    while first[-1] & 0x80 and len(first) < 4:
        first += read_exactly(source, 1, offset + len(first), "unit_header", CLAUSE)
    try:
        value, _ = parse_leb128(first, 0, clause=CLAUSE)
    except BitstreamError as error:
        raise error.at(offset) from None
    unit_type, size = UnitType(value & 3), value >> 2
    if size > MAX_PAYLOAD[unit_type]:
        raise BitstreamError(
            f"{unit_type.name} unit of {size} bytes, at most {MAX_PAYLOAD[unit_type]} expected",
            offset=offset,
            clause=CLAUSE,
        )
    length = CHECKSUM_BYTES[unit_type]
    rest = read_exactly(source, size + length, offset + len(first), f"{unit_type.name} unit {number}", CLAUSE)
    payload = rest[:size]
    expected = checksum(unit_type, header_crc, number, first + payload)
    return FramedUnit(Unit(unit_type, payload, offset, len(first) + len(rest)), rest[size:], expected)


def checksum_error(framed: FramedUnit, number: int) -> BitstreamError | None:
    """The fault if the checksum does not fit."""
    if framed.stored == framed.expected:
        return None
    found, expected = framed.stored.hex(), framed.expected.hex()
    return BitstreamError(
        f"checksum of unit {number} ({framed.unit.type.name}) is {found}, {expected} expected: "
        "the unit is damaged or out of place",
        offset=framed.unit.offset,
        clause=CLAUSE,
    )


def read_unit(source: BinaryIO, offset: int, header_crc: int, number: int) -> Unit | None:
    """The next unit, or None at the end of the stream.

    Raises BitstreamError.
    """
    framed = frame_unit(source, offset, header_crc, number)
    if framed is None:
        return None
    error = checksum_error(framed, number)
    if error is not None:
        raise error
    return framed.unit


class CarriedUnit(NamedTuple):
    """A part of an elementary stream that does the work of a `Unit`; size counts start codes and headers too."""

    type: UnitType
    payload: bytes
    offset: int
    size: int

    @property
    def payload_offset(self) -> int:
        return self.offset

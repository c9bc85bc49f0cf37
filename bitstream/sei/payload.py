"""SEI NAL units of AVC, HEVC and VVC: messages with type and size (SPEC.md clause C.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..annexb import HEADER_BYTES, PREFIX_SEI, SUFFIX_SEI, NalUnit, Rbsp, write_nal_unit
from ..errors import BitstreamError

CLAUSE = "C.3"
GFV, GFVE = 223, 224
# NAL unit headers of layer 0 and temporal identifier 0.
_PREFIX_HEADERS = {"avc": b"\x06", "hevc": b"\x4e\x01", "vvc": b"\x00\xb9"}
_SUFFIX_HEADERS = {"hevc": b"\x50\x01", "vvc": b"\x00\xc1"}
_MAX_NUMBER = 1 << 32
# A limit of ours: a unit of empty messages would take a hundred times its size in memory.
MAX_MESSAGES = 4096


class SeiMessage(NamedTuple):
    """One message: position is "prefix" or "suffix"; start: first byte of the payload in the raw byte sequence payload
    of its NAL unit."""

    codec: str
    position: str
    type: int
    payload: bytes
    nal: NalUnit
    rbsp: Rbsp
    start: int

    def place(self, byte: int) -> int:
        """Offset in the stream of byte ``byte`` of the payload."""
        return self.nal.offset + self.rbsp.raw(self.start + byte)


def sei_position(nal: NalUnit) -> str | None:
    """ "prefix" or "suffix" if the NAL unit holds SEI messages, else None."""
    if nal.type == PREFIX_SEI[nal.codec]:
        return "prefix"
    return "suffix" if nal.type == SUFFIX_SEI.get(nal.codec) else None


def parse_sei(nal: NalUnit) -> list[SeiMessage]:
    """All messages of an SEI NAL unit.

    Raises BitstreamError with offsets into the stream.
    """
    position = sei_position(nal)
    if position is None:
        raise BitstreamError(f"NAL unit of type {nal.type}, SEI expected", offset=nal.offset, clause=CLAUSE)
    rbsp = nal.rbsp()
    data, at = rbsp.data.rstrip(b"\0"), HEADER_BYTES[nal.codec]

    def fail(message: str, where: int, **details: int | str) -> BitstreamError:
        return BitstreamError(message, offset=nal.offset + rbsp.raw(where), clause=CLAUSE, bit=0, **details)

    if len(data) <= at or data[-1] != 0x80:
        raise fail("the SEI NAL unit does not end with its trailing bits (byte 0x80)", max(len(data) - 1, 0))
    end, messages = len(data) - 1, []
    while at < end:
        numbers = []
        for name in ("payload_type", "payload_size"):
            begin, value = at, 0
            while at < end and data[at] == 0xFF:
                value, at = value + 255, at + 1
            if at == end:
                raise fail(f"{name} is cut", begin, element=f"{name}_byte")
            numbers.append(value + data[at])
            at += 1
        kind, size = numbers
        if size > end - at:
            raise fail(
                f"payload_size {size}, {end - at} bytes left",
                begin,
                element="payload_size_byte",
                found=size,
                allowed=f"0..{end - at}",
            )
        if len(messages) == MAX_MESSAGES:
            raise fail(f"more than {MAX_MESSAGES} messages in an SEI NAL unit", begin)
        messages.append(SeiMessage(nal.codec, position, kind, data[at : at + size], nal, rbsp, at))
        at += size
    if not messages:
        raise fail("an SEI NAL unit without message", at)
    return messages


def write_sei(codec: str, messages: Sequence[tuple[int, bytes]], *, suffix: bool) -> bytes:
    """An SEI NAL unit of (payloadType, payload), without start code.

    Raises ValueError for a suffix in AVC, no messages, or types and sizes that are not 0..2^32 - 1.
    """
    if suffix and codec == "avc":
        raise ValueError("a suffix SEI NAL unit in AVC, which has none")
    if not messages:
        raise ValueError("an SEI NAL unit without message")
    out = bytearray()
    for kind, payload in messages:
        for value in (kind, len(payload)):
            if not 0 <= value < _MAX_NUMBER:
                raise ValueError(f"payload type or size {value}, 0..{_MAX_NUMBER - 1} expected")
            out += b"\xff" * (value // 255) + bytes((value % 255,))
        out += payload
    return write_nal_unit((_SUFFIX_HEADERS if suffix else _PREFIX_HEADERS)[codec], bytes(out) + b"\x80")

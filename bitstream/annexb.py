"""NAL units of an Annex B byte stream, read one by one in bounded memory, and their raw byte sequence payloads (SPEC.md
clause C.2)."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from .errors import BitstreamError
from .nal import START_CODE, add_emulation_prevention, nal_type

CLAUSE = "C.2"
CODECS = ("avc", "hevc", "vvc")
# The largest key picture of `.gfv` and its parameter sets fit; nothing larger is held.
MAX_NAL_BYTES = (1 << 22) + (1 << 16)
CHUNK_BYTES = 1 << 16
MAX_FAULTS = 16
HEADER_BYTES = {"avc": 1, "hevc": 2, "vvc": 2}
# nal_unit_type of SEI before and after the slices (AVC has no suffix SEI), and what ends a stream.
PREFIX_SEI = {"avc": 6, "hevc": 39, "vvc": 23}
SUFFIX_SEI = {"hevc": 40, "vvc": 24}
END_OF_STREAM = {"avc": (10, 11), "hevc": (36, 37), "vvc": (21, 22)}
_SLICES = {"avc": range(1, 6), "hevc": range(32), "vvc": range(12)}


class Rbsp(NamedTuple):
    """A NAL unit without its emulation prevention bytes: data with the NAL unit header, removed: the first byte of data
    that stands after each byte that was dropped, faults: offsets of byte patterns that no NAL unit may hold."""

    data: bytes
    removed: array[int]
    faults: list[int]

    def raw(self, position: int) -> int:
        """Where byte ``position`` of the data stands in the NAL unit."""
        return position + bisect_right(self.removed, position)


class NalUnit(NamedTuple):
    """One NAL unit as it stands in the stream, header included; offset: byte of the stream at which it begins."""

    codec: str
    data: bytes
    offset: int

    @property
    def type(self) -> int:
        """nal_unit_type; -1 if the unit is too short for its header."""
        return nal_type(self.codec, self.data)

    @property
    def is_slice(self) -> bool:
        return self.type in _SLICES[self.codec]

    @property
    def starts_picture(self) -> bool:
        """A slice that is the first of its picture."""
        size = HEADER_BYTES[self.codec]
        # first_mb_in_slice 0, first_slice_segment_in_pic_flag, sh_picture_header_in_slice_header_flag: one bit each.
        return self.is_slice and len(self.data) > size and bool(self.data[size] & 0x80)

    def rbsp(self) -> Rbsp:
        """Drop each byte 3 that follows two zero bytes."""
        data, out, removed, faults, start = self.data, bytearray(), array("Q"), [], 0
        position = data.find(b"\0\0")
        while position >= 0:
            after = data[position + 2 : position + 4]
            if after[:1] == b"\3":
                out += data[start : position + 2]
                start = position + 3
                removed.append(start - len(removed) - 1)
                if len(after) > 1 and after[1] > 3 and len(faults) < MAX_FAULTS:
                    faults.append(position)
                position = data.find(b"\0\0", start)
            else:
                if after and after[0] < 3 and len(faults) < MAX_FAULTS:
                    faults.append(position)
                position = data.find(b"\0\0", position + 1)
        return Rbsp(bytes(out) + data[start:], removed, faults)


def read_nal_units(source: BinaryIO, codec: str) -> Iterator[NalUnit]:
    """The NAL units of a byte stream, each as soon as the start code after it has been read.

    Raises BitstreamError where the stream does not begin with a start code or a unit is larger than MAX_NAL_BYTES.
    """
    # read1 gives what a pipe holds now, where read would wait for a whole chunk.
    read = getattr(source, "read1", source.read)
    buffer, base, start, searched = bytearray(), 0, -1, 0
    while True:
        code = buffer.find(START_CODE, searched)
        if code < 0:
            searched = max(len(buffer) - 2, 0)
            if start < 0:
                _only_zeros(buffer[:searched], base)
                del buffer[:searched]
                base, searched = base + searched, 0
            elif len(buffer) > MAX_NAL_BYTES:
                raise BitstreamError(
                    f"a NAL unit of more than {MAX_NAL_BYTES} bytes: no start code", offset=base, clause=CLAUSE
                )
            chunk = read(CHUNK_BYTES)
            if not chunk:
                break
            buffer += chunk
            continue
        if start < 0:
            _only_zeros(buffer[:code], base)
        elif data := bytes(buffer[:code]).rstrip(b"\0"):
            yield NalUnit(codec, data, base)
        del buffer[: code + 3]
        base, start, searched = base + code + 3, 0, 0
    if start < 0:
        _only_zeros(buffer, base)
        raise BitstreamError("the stream ends, a start code expected", offset=base + len(buffer), clause=CLAUSE)
    if data := bytes(buffer).rstrip(b"\0"):
        yield NalUnit(codec, data, base)


def _only_zeros(data: bytes | bytearray, base: int) -> None:
    rest = data.lstrip(b"\0")
    if rest:
        raise BitstreamError(
            f"byte 0x{rest[0]:02x} before the first start code, 0x00 expected",
            offset=base + len(data) - len(rest),
            clause=CLAUSE,
        )


def write_nal_unit(header: bytes, payload: bytes) -> bytes:
    """A NAL unit from its header and the rest of its raw byte sequence payload, stop bit included."""
    return add_emulation_prevention(header + payload)


def codec_of(first: bytes) -> str | None:
    """The codec whose stream may begin with a NAL unit that has these first two bytes; None if it is none of ours.

    Parameter sets, delimiters, prefix SEI and intra slices of layer 0 are told apart by their headers alone.
    """
    if len(first) < 2 or first[0] & 0x80:
        return None
    head, second = first[0], first[1]
    if head == 0 and second & 7 == 1 and second >> 3 in (7, 8, 9, 12, 13, 14, 15, 16, 17, 19, 20, 23):
        return "vvc"
    if second == 1 and not head & 1 and head >> 1 in (19, 20, 21, 32, 33, 34, 35, 39):
        return "hevc"
    if head & 31 in (1, 5, 6, 7, 8, 9):
        return "avc"
    return None

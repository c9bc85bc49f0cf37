"""NAL units of AVC, HEVC and VVC: splitting a byte stream, and the length-prefixed form that `.gfv` carries (SPEC.md
clause 8)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .bits import BitReader, BitWriter
from .errors import BitstreamError
from .units import leb128, parse_leb128

CLAUSE = "8.1"
START_CODE = b"\0\0\1"
_START = re.compile(START_CODE)
MAX_UNITS = 64

# nal_unit_type of parameter sets and of what holds a coded picture, per codec.
PARAMETER_SETS = {"avc": (7, 8), "hevc": (33, 34), "vvc": (15, 16)}
PICTURE_TYPES = {"avc": (5,), "hevc": (19, 20, 21), "vvc": (7, 8, 9, 17, 19)}


def split_annex_b(data: bytes) -> list[bytes]:
    """NAL units of a byte stream (H.264 Annex B and its successors), without start codes and trailing zero bytes."""
    starts = [match.end() for match in _START.finditer(data)]
    ends = [*(start - 3 for start in starts[1:]), len(data)]
    units = (data[start:end].rstrip(b"\0") for start, end in zip(starts, ends, strict=False))
    return [unit for unit in units if unit]


def join_annex_b(nal_units: Iterable[bytes]) -> bytes:
    return b"".join(START_CODE + unit for unit in nal_units)


def nal_type(codec: str, unit: bytes) -> int:
    """nal_unit_type of a NAL unit; -1 if it is too short for its header."""
    if len(unit) < (1 if codec == "avc" else 2):
        return -1
    return unit[0] & 31 if codec == "avc" else unit[0] >> 1 & 63 if codec == "hevc" else unit[1] >> 3


def pack_nal_units(nal_units: Iterable[bytes]) -> bytes:
    """NAL units, each after its length as leb128."""
    return b"".join(leb128(len(unit)) + unit for unit in nal_units)


def unpack_nal_units(data: bytes) -> list[bytes]:
    """The converse of `pack_nal_units`.

    Raises BitstreamError with offsets into ``data``.
    """
    units, position = [], 0
    while position < len(data):
        length, start = parse_leb128(data, position, clause=CLAUSE)
        if not length or length > len(data) - start:
            raise BitstreamError(
                f"nal_unit_length {length}, 1..{len(data) - start} expected", offset=position, clause=CLAUSE
            )
        units.append(data[start : start + length])
        position = start + length
        if len(units) > MAX_UNITS:
            raise BitstreamError(f"more than {MAX_UNITS} NAL units", offset=position, clause=CLAUSE)
    return units


def hevc_vps(sps: bytes) -> bytes:
    """The video parameter set of a one-layer stream, made from its SPS: it holds nothing of its own (SPEC.md clause
    8.3).

    ``sps`` is a NAL unit with emulation prevention. Raises BitstreamError if it is too short.
    """
    plain = sps.replace(b"\0\0\3", b"\0\0")
    if len(plain) < 15:
        raise BitstreamError(f"an SPS of {len(plain)} bytes, at least 15 expected", offset=0, clause="8.3")
    reader = BitReader(plain[3:15], clause="8.3")
    writer = BitWriter()
    writer.u(0x4001, 16)  # NAL unit header: VPS_NUT, layer 0, temporal id 0
    for value, bits in ((0, 4), (3, 2), (0, 6), (0, 3), (1, 1), (0xFFFF, 16)):
        writer.u(value, bits)
    for _ in range(12):  # profile_tier_level
        writer.u(reader.u(8, "profile_tier_level"), 8)
    writer.u(1, 1)  # vps_sub_layer_ordering_info_present_flag
    writer.ue(0)  # vps_max_dec_pic_buffering_minus1
    writer.ue(0)  # vps_max_num_reorder_pics
    writer.ue(0)  # vps_max_latency_increase_plus1
    writer.u(0, 6)  # vps_max_layer_id
    writer.ue(0)  # vps_num_layer_sets_minus1
    writer.u(0, 1)  # vps_timing_info_present_flag
    writer.u(0, 1)  # vps_extension_flag
    writer.u(1, 1)  # rbsp_stop_one_bit
    return add_emulation_prevention(writer.to_bytes())


def add_emulation_prevention(data: bytes) -> bytes:
    """Insert 0x03 before each byte 0..3 that follows two zero bytes."""
    out, zeros = bytearray(), 0
    for byte in data:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if not byte else 0
    return bytes(out)

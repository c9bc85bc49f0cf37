"""idr_pic_id of AVC slices (Rec. ITU-T H.264 clause 7.3.3): consecutive IDR pictures have to differ in it.

Each key picture is coded alone and begins with the same number; decoders that tell pictures apart by their slice
headers would take two of them for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .annexb import NalUnit
from .bits import BitReader
from .errors import BitstreamError
from .nal import add_emulation_prevention, nal_type

CLAUSE = "C.6"
_SPS, _PPS = 7, 8
# profile_idc with chroma format, bit depths and scaling matrices in the SPS.
_HIGH_PROFILES = (44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244)
_INTRA = (2, 7)


@dataclass
class _Sets:
    """What the fields before and after idr_pic_id depend on."""

    separate_planes: bool = False
    frame_num_bits: int = 4
    order_type: int = 0
    order_bits: int = 4
    order_zero: bool = False
    frames_only: bool = True
    cabac: bool = False
    order_present: bool = False
    deblocking: bool = False
    redundant: bool = False


def _reader(unit: bytes) -> BitReader:
    """After the NAL unit header."""
    return BitReader(NalUnit("avc", unit, 0).rbsp().data[1:], clause=CLAUSE)


def _skip_ue(r: BitReader, count: int, name: str) -> None:
    """Also se(v), which has the same length."""
    for _ in range(count):
        r.any_ue(name)


def _skip_scaling_lists(r: BitReader, count: int) -> None:
    for index in range(count):
        if not r.u(1, "seq_scaling_list_present_flag"):
            continue
        last, following = 8, 8
        for _ in range(16 if index < 6 else 64):
            if following:
                code = r.any_ue("delta_scale")
                following = (last + ((code + 1) // 2 if code % 2 else -(code // 2))) % 256
            last = following or last


def _read_sps(unit: bytes, sets: _Sets) -> None:
    r = _reader(unit)
    profile = r.u(8, "profile_idc")
    r.u(16, "constraint flags and level_idc")
    _skip_ue(r, 1, "seq_parameter_set_id")
    if profile in _HIGH_PROFILES:
        chroma = r.ue("chroma_format_idc", 3)
        sets.separate_planes = chroma == 3 and bool(r.u(1, "separate_colour_plane_flag"))
        _skip_ue(r, 2, "bit_depth_minus8")
        r.u(1, "qpprime_y_zero_transform_bypass_flag")
        if r.u(1, "seq_scaling_matrix_present_flag"):
            _skip_scaling_lists(r, 12 if chroma == 3 else 8)
    sets.frame_num_bits = r.ue("log2_max_frame_num_minus4", 12) + 4
    sets.order_type = r.ue("pic_order_cnt_type", 2)
    if sets.order_type == 0:
        sets.order_bits = r.ue("log2_max_pic_order_cnt_lsb_minus4", 12) + 4
    elif sets.order_type == 1:
        sets.order_zero = bool(r.u(1, "delta_pic_order_always_zero_flag"))
        _skip_ue(r, 2, "offset_for_picture")
        _skip_ue(r, r.ue("num_ref_frames_in_pic_order_cnt_cycle", 255), "offset_for_ref_frame")
    _skip_ue(r, 1, "max_num_ref_frames")
    r.u(1, "gaps_in_frame_num_value_allowed_flag")
    _skip_ue(r, 2, "pic_size_in_mbs")
    sets.frames_only = bool(r.u(1, "frame_mbs_only_flag"))


def _read_pps(unit: bytes, sets: _Sets) -> None:
    r = _reader(unit)
    _skip_ue(r, 2, "parameter_set_id")
    sets.cabac = bool(r.u(1, "entropy_coding_mode_flag"))
    sets.order_present = bool(r.u(1, "bottom_field_pic_order_in_frame_present_flag"))
    r.ue("num_slice_groups_minus1", 0)
    _skip_ue(r, 2, "num_ref_idx_default_active_minus1")
    r.u(3, "weighted prediction")
    _skip_ue(r, 3, "pic_init_qp")
    sets.deblocking = bool(r.u(1, "deblocking_filter_control_present_flag"))
    r.u(1, "constrained_intra_pred_flag")
    sets.redundant = bool(r.u(1, "redundant_pic_cnt_present_flag"))


def _find(r: BitReader, sets: _Sets) -> tuple[int, int, int]:
    """Bits at which idr_pic_id begins and ends, and at which the header ends."""
    _skip_ue(r, 1, "first_mb_in_slice")
    kind = r.any_ue("slice_type")
    if kind not in _INTRA:
        raise r.fail(f"slice_type {kind}, an intra slice (2 or 7) expected")
    _skip_ue(r, 1, "pic_parameter_set_id")
    if sets.separate_planes:
        r.u(2, "colour_plane_id")
    r.u(sets.frame_num_bits, "frame_num")
    field = not sets.frames_only and r.u(1, "field_pic_flag")
    if field:
        r.u(1, "bottom_field_flag")
    start = r.position
    r.ue("idr_pic_id", 65535)
    end = r.position
    both = sets.order_present and not field
    if sets.order_type == 0:
        r.u(sets.order_bits, "pic_order_cnt_lsb")
        _skip_ue(r, int(both), "delta_pic_order_cnt_bottom")
    elif sets.order_type == 1 and not sets.order_zero:
        _skip_ue(r, 1 + both, "delta_pic_order_cnt")
    _skip_ue(r, int(sets.redundant), "redundant_pic_cnt")
    r.u(2, "dec_ref_pic_marking")
    _skip_ue(r, 1, "slice_qp_delta")
    if sets.deblocking and r.any_ue("disable_deblocking_filter_idc") != 1:
        _skip_ue(r, 2, "slice_filter_offset")
    return start, end, r.position


def with_idr_pic_id(unit: bytes, parameter_sets: Sequence[bytes], value: int) -> bytes:
    """An IDR slice (a NAL unit with emulation prevention) with another idr_pic_id, 0..65535.

    Raises BitstreamError if a header cannot be followed: anything but intra slices of one slice group.
    """
    if not 0 <= value <= 65535:
        raise ValueError(f"idr_pic_id {value}, 0..65535 expected")
    sets = _Sets()
    for kind, read in ((_SPS, _read_sps), (_PPS, _read_pps)):
        found = [data for data in parameter_sets if nal_type("avc", data) == kind]
        if len(found) != 1:
            raise BitstreamError(f"{len(found)} parameter sets of type {kind}, 1 expected", offset=0, clause=CLAUSE)
        read(found[0], sets)
    rbsp = NalUnit("avc", unit, 0).rbsp().data
    reader = BitReader(rbsp[1:], clause=CLAUSE)
    bits = reader.left()
    start, end, header_end = _find(reader, sets)
    code = f"{value + 1:b}"
    head = bits[:start] + "0" * (len(code) - 1) + code + bits[end:header_end]
    if sets.cabac:
        head += "1" * (-len(head) % 8)
        data = _to_bytes(head) + rbsp[1 + -(-header_end // 8) :]
    else:
        body = head + bits[header_end : bits.rindex("1")] + "1"
        data = _to_bytes(body + "0" * (-len(body) % 8))
    return add_emulation_prevention(rbsp[:1] + data)


def _to_bytes(bits: str) -> bytes:
    return int(bits, 2).to_bytes(len(bits) // 8, "big")

"""The rules that the non-conforming streams of the conformance suite break, one each, and what has to be named."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bitstream.sei.payload import GFV, GFVE

from .conformance_broken import geometry, moved, network, one, own, plain, shape
from .conformance_build import StreamBuilder, fields


class Fault(NamedTuple):
    """violation: clause of SPEC.md, syntax element, value found, range allowed."""

    name: str
    what: str
    stream: Callable[[], StreamBuilder]
    violation: tuple[str, str, int | str | None, str]


# gfv_id 1, gfv_cnt 0, base, no network, no chroma key, confident.
HEAD = (1, 0, (1, 1), (0, 1), (0, 1), (0, 1))
POINTS = ((1, 1), (0, 1), 7, 0, (0, 1), 5, (0, 1), 0)
# No points; matrices of 8 bits, one type.
MATRIX = ((0, 1), (1, 1), 7, 0)
# gfve_id 1, gfve_gfv_id 1, gfve_gfv_cnt 0, base, no network.
GFVE_HEAD = (1, 1, 0, (1, 1), (0, 1))


MORE = "more bits"
END = "end of payload"
TOO_MANY = "at most 32768 matrix elements"
FAULTS = [
    Fault(
        "nothing_present",
        "neither points nor matrices",
        one(*HEAD, (0, 1), (0, 1)),
        ("C.4", "gfv_matrix_present_flag", 0, "1"),
    ),
    Fault(
        "point_precision",
        "precision of 33 bits",
        one(*HEAD, (1, 1), (0, 1), 32),
        ("C.4", "gfv_coordinate_precision_factor_minus1", 32, "0..31"),
    ),
    Fault(
        "z_max",
        "z limit above its range",
        one(*HEAD, (1, 1), (0, 1), 7, 0, (1, 1), 65536, 0, 0, 0, (0, 1)),
        ("C.4", "gfv_coordinate_z_max_value_minus1", 65536, "0..65535"),
    ),
    Fault(
        "too_many_points",
        "more points than the limit",
        one(*HEAD, (1, 1), (0, 1), 7, 1 << 15),
        ("C.4", "gfv_num_kps_minus1", 1 << 15, "0..32767"),
    ),
    Fault(
        "points_without_base",
        "points predicted without a base message",
        one(1, 1, (0, 1), (1, 1), (1, 1), codec="avc"),
        ("C.4", "gfv_kps_pred_flag", 1, "0"),
    ),
    Fault(
        "points_of_another_shape",
        "points predicted from a message with fewer of them",
        shape,
        ("C.5", "gfv_kps_pred_flag", 1, "0"),
    ),
    Fault(
        "purpose",
        "purpose of a chroma key above its range",
        one(1, 0, (1, 1), (0, 1), (1, 1), 3, (0, 3), (0, 1), (0, 1), *POINTS, (0, 1)),
        ("C.4", "gfv_chroma_key_purpose_idc", 3, "0..2"),
    ),
    Fault(
        "threshold",
        "upper threshold above its range",
        one(1, 0, (1, 1), (0, 1), (1, 1), 0, (0, 3), (1, 1), (9, 8), 256, (0, 1), *POINTS, (0, 1)),
        ("C.4", "gfv_chroma_key_thr_upper_delta_minus1", 256, "0..255"),
    ),
    Fault(
        "network_mode",
        "reserved mode of the network",
        one(1, 0, (1, 1), (1, 1), 2, (0, 1), (0, 1), *POINTS, (0, 1)),
        ("C.4", "gfv_nn_mode_idc", 2, "0..1"),
    ),
    Fault(
        "alignment_a",
        "an alignment bit before the URI is 1",
        network(lambda p: p[:1] + bytes((p[1] | 1,)) + p[2:]),
        ("C.4", "gfv_nn_alignment_zero_bit_a", 1, "0"),
    ),
    Fault(
        "uri_utf8",
        "tag URI that is not UTF-8",
        network(lambda p: p.replace(b"tag:a", b"tag:\xff")),
        ("C.4", "gfv_nn_tag_uri", b"tag:\xff,2026:b".hex(), "UTF-8"),
    ),
    Fault(
        "alignment_b",
        "an alignment bit before the network is 1",
        one(1, 0, (1, 1), (1, 1), 0, (0, 1), (0, 1), *POINTS, (0, 1), (1, 4), (0xAB, 8)),
        ("C.4", "gfv_nn_alignment_zero_bit_b", 1, "0"),
    ),
    Fault(
        "type_without_points",
        "affine matrices without points",
        one(*HEAD, *MATRIX, (0, 6)),
        ("C.4", "gfv_matrix_type_idx", 0, "2..63 without coordinates"),
    ),
    Fault(
        "matrix_count",
        "number of matrices above its range",
        one(*HEAD, *MATRIX, (7, 6), 1024),
        ("C.4", "gfv_num_matrices_minus1", 1024, "0..1023"),
    ),
    Fault(
        "matrix_info",
        "number of affine matrices above its range",
        one(*HEAD, *POINTS, (1, 1), 7, 0, (0, 6), (0, 1), 1024),
        ("C.4", "gfv_num_matrices_info", 1024, "0..1023"),
    ),
    Fault(
        "matrix_width",
        "matrix width above its range",
        one(*HEAD, *MATRIX, (7, 6), 0, 1024),
        ("C.4", "gfv_matrix_width_minus1", 1024, "0..1023"),
    ),
    Fault(
        "matrix_height",
        "matrix height above its range",
        one(*HEAD, *MATRIX, (7, 6), 0, 0, 1024),
        ("C.4", "gfv_matrix_height_minus1", 1024, "0..1023"),
    ),
    Fault(
        "too_many_elements",
        "more matrix elements than the limit",
        one(*HEAD, *MATRIX, (7, 6), 32, 31, 31),
        ("C.4", "gfv_matrix_height_minus1", 33792, TOO_MANY),
    ),
    Fault(
        "matrix_precision",
        "precision of 33 bits",
        one(*HEAD, (0, 1), (1, 1), 32),
        ("C.4", "gfv_matrix_element_precision_factor_minus1", 32, "0..31"),
    ),
    Fault(
        "matrices_without_base",
        "matrices predicted without a base message",
        one(1, 1, (0, 1), (0, 1), (1, 1), (1, 1), codec="vvc"),
        ("C.4", "gfv_matrix_pred_flag", 1, "0"),
    ),
    Fault(
        "matrices_of_another_shape",
        "matrices predicted from a message with others",
        geometry,
        ("C.5", "gfv_matrix_pred_flag", 1, "0"),
    ),
    Fault(
        "payload_cut",
        "a payload that ends inside a message",
        network(lambda p: p[:-1]),
        ("C.4", "gfv_coordinate_x_sign_flag", END, MORE),
    ),
    Fault(
        "endless_zeros", "an Exp-Golomb code of 32 leading zeros", one((0, 32), (1, 16)), ("C.4", "gfv_id", END, MORE)
    ),
    Fault(
        "no_stop_bit",
        "zero bits at the end of a payload",
        plain(change=lambda s: s.payloads([(GFV, fields(1, 1, (0, 1), (1, 1), (1, 1), 0, 0, (0, 1), (0, 4)))])),
        ("C.3", "payload_bit_equal_to_one", 0, "1"),
    ),
    Fault(
        "gfve_precision",
        "precision of 33 bits",
        one(*GFVE_HEAD, (1, 1), 32, kind=GFVE),
        ("C.4", "gfve_matrix_element_precision_factor_minus1", 32, "0..31"),
    ),
    Fault(
        "gfve_matrix_count",
        "number of matrices above its range",
        one(*GFVE_HEAD, (1, 1), 7, 1024, kind=GFVE),
        ("C.4", "gfve_num_matrices_minus1", 1024, "0..1023"),
    ),
    Fault(
        "gfve_matrices_without_base",
        "matrices predicted without a base message",
        one(1, 1, 0, (0, 1), (1, 1), (1, 1), kind=GFVE),
        ("C.4", "gfve_matrix_pred_flag", 1, "0"),
    ),
    Fault(
        "pupil_precision",
        "precision of 33 bits",
        one(*GFVE_HEAD, (0, 1), (1, 2), 32, kind=GFVE),
        ("C.4", "gfve_pupil_coordinate_precision_factor_minus1", 32, "0..31"),
    ),
    Fault(
        "pupil_range",
        "a pupil outside of the picture",
        one(*GFVE_HEAD, (0, 1), (1, 2), 1, 9, (0, 1), 0, kind=GFVE),
        ("C.4", "gfve_pupil_left_eye_dx_coordinate_abs", 9, "0..8"),
    ),
    Fault(
        "pupils_without_base",
        "pupils of a driven message without those of a base message",
        one(1, 1, 0, (0, 1), (0, 1), (3, 2), kind=GFVE),
        ("C.4", "gfve_pupil_coordinate_present_idx", 3, "0"),
    ),
    Fault(
        "payload_size",
        "an SEI message that is larger than its NAL unit",
        plain(change=lambda s: s.raw(b"\x50\x01\xdf\x09\x80\x80")),
        ("C.3", "payload_size_byte", 9, "0..1"),
    ),
    Fault(
        "sei_trailing",
        "an SEI NAL unit without trailing bits",
        plain(change=lambda s: s.raw(b"\x50\x01\x05\x01\x01")),
        ("C.3", "", None, ""),
    ),
    Fault(
        "forbidden_bit",
        "forbidden_zero_bit",
        plain(change=lambda s: s.raw(b"\xd0\x01\x05\x01\x01\x80")),
        ("C.2", "forbidden_zero_bit", 1, "0"),
    ),
    Fault(
        "temporal_id",
        "temporal identifier plus 1 is 0",
        plain(change=lambda s: s.raw(b"\x50\x00\x05\x01\x01\x80")),
        ("C.2", "nuh_temporal_id_plus1", 0, "1..7"),
    ),
    Fault(
        "emulation",
        "bytes that need emulation prevention",
        plain(change=lambda s: s.raw(b"\x50\x01\x05\x04\x01\0\0\2\x80")),
        ("C.2", "", None, ""),
    ),
    Fault(
        "own_uri",
        "URI of gfvc that is not well-formed",
        plain("gfvc:1/model"),
        ("C.6", "gfv_nn_uri", "gfvc:1/model", "the grammar of SPEC.md C.6"),
    ),
    Fault(
        "own_cut",
        "a stream of gfvc without the NAL unit at its end",
        own(moved(1, 8), end=False),
        ("C.6.1", "", None, ""),
    ),
    Fault(
        "own_count",
        "a stream of gfvc that lacks a message",
        own(moved(1, 8), moved(3, 8)),
        ("C.6.1", "gfv_cnt", 3, "2"),
    ),
    Fault("own_step", "a value between two quantiser steps", own(moved(1, 8), moved(2, 3)), ("C.6.2", "", None, "")),
]

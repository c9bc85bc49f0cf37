"""Branches of the GFV and GFVE syntax, as names that a message reaches or not."""

from __future__ import annotations

from typing import Any

from bitstream.sei.messages import SYNTAXES

_FLAGS = (
    "gfv_base_pic_flag",
    "gfv_nn_present_flag",
    "gfv_nn_mode_idc",
    "gfv_chroma_key_info_present_flag",
    "gfv_chroma_key_value_present_flag",
    "gfv_low_confidence_face_parameter_flag",
    "gfv_coordinate_present_flag",
    "gfv_kps_pred_flag",
    "gfv_coordinate_z_present_flag",
    "gfv_coordinate_z_max_value_minus1",
    "gfv_matrix_present_flag",
    "gfv_matrix_pred_flag",
    "gfv_num_matrix_types_minus1",
    "gfv_num_matrices_equal_to_num_kps_flag",
    "gfv_num_matrices_info",
    "gfv_num_matrices_minus1",
    "gfv_matrix_width_minus1",
    "gfv_matrix_height_minus1",
    "gfv_matrix_3d_space_flag",
    "gfve_gfv_cnt",
    "gfve_base_pic_flag",
    "gfve_nn_present_flag",
    "gfve_nn_mode_idc",
    "gfve_matrix_present_flag",
    "gfve_matrix_pred_flag",
    "gfve_num_matrices_minus1",
)
_SIGNED = (
    *(f"gfv_coordinate_{d}{axis}" for d in ("", "d") for axis in "xyz"),
    "gfv_matrix_element",
    "gfv_matrix_delta_element",
    "gfve_matrix_element",
    "gfve_matrix_delta_element",
    *(f"gfve_pupil_{eye}_eye_d{axis}_coordinate" for eye in ("left", "right") for axis in "xy"),
)
_TYPES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 31, 40)
_BY_FORM = {
    "am0334": (
        "gfv_fusion_pic_flag 0",
        "gfv_fusion_pic_flag 1",
        "gfv_chroma_key_purpose_idc 0",
        "gfv_chroma_key_purpose_idc > 0",
        "gfv_chroma_key_thr_present_flag 0",
        "gfv_chroma_key_thr_present_flag 1",
        "gfv_chroma_key_thr_upper_delta_minus1 0",
        "gfv_chroma_key_thr_upper_delta_minus1 > 0",
    ),
    "aj0207": (
        "gfv_drive_picture_fusion_flag 0",
        "gfv_drive_picture_fusion_flag 1",
        "gfv_chroma_key_thr_present_flag 0",
        "gfv_chroma_key_thr_present_flag 1",
        "gfv_chroma_key_thr_value > 0",
    ),
}
_SINGLE = (
    "gfv_nn_uri",
    "gfve_nn_uri",
    "gfv_nn_alignment_zero_bit_a 0",
    "gfv_nn_alignment_zero_bit_b 0",
    "payload of 255 bytes or more",
    "prefix SEI NAL unit",
    "suffix SEI NAL unit",
    "driven coded picture predicted from the base message",
)


def _names() -> list[str]:
    found = [f"{name} {kind}" for name in _FLAGS for kind in ("0", _above(name))]
    found += [f"{stem} {sign}" for stem in _SIGNED for sign in ("zero", "positive", "negative")]
    found += [f"gfv_matrix_type_idx {kind}" for kind in _TYPES]
    found += [f"gfve_pupil_coordinate_present_idx {idx}, {kind}" for idx in range(4) for kind in ("base", "driven")]
    found += [f"{syntax}: {name}" for syntax, names in _BY_FORM.items() for name in names]
    return [*found, *_SINGLE]


def _above(name: str) -> str:
    return "1" if name.endswith("flag") or name.endswith("mode_idc") else "> 0"


def branches_of(message: dict[str, Any], syntax: str) -> set[str]:
    """The branches that one message takes; message: an entry of a JSON file."""
    found = {f"{message['position']} SEI NAL unit"}
    if message["payload_bytes"] >= 255:
        found.add("payload of 255 bytes or more")
    elements = message["syntax_elements"]
    base = ("gfv_base_pic_flag", 1) in map(tuple, elements) or ("gfve_base_pic_flag", 1) in map(tuple, elements)
    for index, (name, value) in enumerate(elements):
        following = elements[index + 1][0] if index + 1 < len(elements) else ""
        if isinstance(value, str):
            found.add(name)
        elif name == "gfv_matrix_type_idx":
            found.add(f"{name} {value}")
        elif name == "gfve_pupil_coordinate_present_idx":
            found.add(f"{name} {value}, {'base' if base else 'driven'}")
        elif name.endswith("_abs") and not value:
            found.add(f"{name.removesuffix('_abs')} zero")
        elif name.endswith("_sign_flag"):
            found.add(f"{name.removesuffix('_sign_flag')} {'negative' if value else 'positive'}")
        elif name.endswith("_dec") and not following.endswith("_sign_flag"):
            found.add(f"{name.removesuffix('_dec')} zero")
        else:
            label = f"{name} {value if not value else _above(name)}"
            found |= {label, f"{syntax}: {label}"}
    value = message["value"]
    if value["type"] == "gfv" and not value["base"] and not value["cnt"] and value.get("kps_pred"):
        found.add("driven coded picture predicted from the base message")
    return found & _KNOWN


BRANCHES = _names()
_KNOWN = set(BRANCHES)
if set(_BY_FORM) != set(SYNTAXES):
    raise RuntimeError("a form of the syntax without branches")

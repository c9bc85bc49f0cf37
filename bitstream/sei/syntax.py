"""The syntax of GFV and GFVE messages, for reader and writer alike (SPEC.md clause C.4)."""

from __future__ import annotations

from .blocks import (
    MAX_COUNT,
    MAX_PRECISION,
    check_size,
    code_coordinates,
    code_elements,
    code_matrices,
    code_network,
    code_network_payload,
    take_geometry,
)
from .elements import Elements
from .messages import (
    AJ0207,
    AM0334,
    ChromaKey,
    Coordinates,
    GfveMessage,
    GfvMessage,
    Matrices,
    MatrixGroup,
    Pupils,
)
from .state import Histories, History


def code_gfv(c: Elements, m: GfvMessage, histories: Histories[int], syntax: str) -> History:
    """generative_face_video( ); returns the history that the message belongs to, still unchanged."""
    m.id = c.ue("gfv_id", m.id)
    history = histories.peek(m.id)
    m.cnt = c.ue("gfv_cnt", m.cnt)
    if m.cnt == 0:
        m.base = c.u("gfv_base_pic_flag", 1, m.base)
    elif c.writing and m.base:
        c.stop("gfv_cnt", m.cnt, "0 in a base message")
    if m.base:
        m.nn = code_network(c, "gfv", m.nn)
        m.chroma_key = _code_chroma_key(c, m.chroma_key, syntax)
    elif c.writing and (m.nn or m.chroma_key):
        c.stop("gfv_base_pic_flag", 0, "1 in a message with network or chroma key")
    if not m.base and (m.cnt == 0 or syntax == AJ0207):
        name = "gfv_fusion_pic_flag" if syntax == AM0334 else "gfv_drive_picture_fusion_flag"
        m.fusion = c.u(name, 1, m.fusion or 0)
    elif c.writing and m.fusion:
        c.stop("fusion", m.fusion, f"none in a message of {syntax} that is base or has a count")
    m.low_confidence = c.u("gfv_low_confidence_face_parameter_flag", 1, m.low_confidence)
    points = None
    if c.u("gfv_coordinate_present_flag", 1, int(m.coordinates is not None)):
        m.coordinates = m.coordinates or Coordinates()
        code_coordinates(c, m.coordinates, history, base=m.base)
        points = len(m.coordinates.values), m.coordinates.z_max is not None
    if c.u("gfv_matrix_present_flag", 1, int(m.matrices is not None)):
        m.matrices = m.matrices or Matrices()
        code_matrices(c, m.matrices, history, base=m.base, points=points)
    elif points is None:
        c.refuse("gfv_matrix_present_flag", 0, "1", "neither coordinates nor matrices are present, one is expected")
    code_network_payload(c, "gfv", m.nn)
    c.finish()
    return history


def _code_chroma_key(c: Elements, key: ChromaKey | None, syntax: str) -> ChromaKey | None:
    """The chroma key block of either form."""
    if not c.u("gfv_chroma_key_info_present_flag", 1, int(key is not None)):
        return None
    key = key or ChromaKey()
    if syntax == AM0334:
        key.purpose = c.ue("gfv_chroma_key_purpose_idc", key.purpose)
        if key.purpose > 2:
            c.refuse("gfv_chroma_key_purpose_idc", key.purpose, "0..2")
    elif c.writing and key.purpose:
        c.stop("chroma key purpose", key.purpose, f"0 in {syntax}, which has none")
    for index, value in enumerate(key.values):
        if c.u("gfv_chroma_key_value_present_flag", 1, int(value is not None)):
            key.values[index] = c.u("gfv_chroma_key_value", 8, value or 0)
    if syntax == AM0334:
        _code_thresholds(c, key)
        return key
    thresholds = []
    for value in (key.lower, key.upper):
        present = c.u("gfv_chroma_key_thr_present_flag", 1, int(value is not None))
        thresholds.append(c.ue("gfv_chroma_key_thr_value", value or 0) if present else None)
    key.lower, key.upper = thresholds
    return key


def _code_thresholds(c: Elements, key: ChromaKey) -> None:
    if c.writing and (key.lower is None) != (key.upper is None):
        c.stop("chroma key thresholds", "one", "both or none")
    if c.u("gfv_chroma_key_thr_present_flag", 1, int(key.lower is not None)):
        key.lower = c.u("gfv_chroma_key_thr_lower", 8, key.lower or 0)
        delta = c.ue("gfv_chroma_key_thr_upper_delta_minus1", (key.upper or 0) - key.lower - 1, 255, fatal=False)
        key.upper = key.lower + delta + 1


def code_gfve(c: Elements, m: GfveMessage, histories: Histories[tuple[int, int]]) -> History:
    """generative_face_video_enhancement( ); returns the history that the message belongs to, still unchanged."""
    m.id = c.ue("gfve_id", m.id)
    m.gfv_id = c.ue("gfve_gfv_id", m.gfv_id)
    history = histories.peek((m.id, m.gfv_id))
    m.gfv_cnt = c.ue("gfve_gfv_cnt", m.gfv_cnt)
    if m.gfv_cnt == 0:
        m.base = c.u("gfve_base_pic_flag", 1, m.base)
    elif c.writing and m.base:
        c.stop("gfve_gfv_cnt", m.gfv_cnt, "0 in a base message")
    if m.base:
        m.nn = code_network(c, "gfve", m.nn)
    elif c.writing and m.nn:
        c.stop("gfve_base_pic_flag", 0, "1 in a message with network")
    if c.u("gfve_matrix_present_flag", 1, int(m.matrices is not None)):
        m.matrices = m.matrices or Matrices()
        _code_gfve_matrices(c, m.matrices, history, base=m.base)
    _code_pupils(c, m, history)
    code_network_payload(c, "gfve", m.nn)
    c.finish()
    return history


def _code_gfve_matrices(c: Elements, block: Matrices, history: History, *, base: int) -> None:
    block.pred = 0 if base else c.u("gfve_matrix_pred_flag", 1, block.pred)
    if block.pred:
        take_geometry(c, "gfve", block, history)
    else:
        name = "gfve_matrix_element_precision_factor_minus1"
        block.precision = c.ue(name, block.precision - 1, MAX_PRECISION) + 1
        number = c.ue("gfve_num_matrices_minus1", len(block.groups) - 1, MAX_COUNT) + 1
        if not c.writing:
            block.groups = [MatrixGroup(type=0) for _ in range(number)]
        total = 0
        for group in block.groups:
            if c.writing and (group.type, group.count) != (0, 1):
                c.stop("matrix geometry", str(group.geometry), "one matrix without type")
            # Height before width, unlike in GFV.
            group.rows = c.ue("gfve_matrix_height_minus1", group.rows - 1) + 1
            group.columns = c.ue("gfve_matrix_width_minus1", group.columns - 1) + 1
            total += group.rows * group.columns
            check_size(c, total)
    code_elements(c, "gfve", block, coded_dec=False)


def _code_pupils(c: Elements, m: GfveMessage, history: History) -> None:
    present = c.u("gfve_pupil_coordinate_present_idx", 2, m.pupils.present_idx if m.pupils else 0)
    if not present:
        return
    pupils = m.pupils = m.pupils or Pupils()
    if m.base:
        name = "gfve_pupil_coordinate_precision_factor_minus1"
        pupils.precision = c.ue(name, pupils.precision - 1, MAX_PRECISION) + 1
    elif history.base_pupils is None:
        name = "gfve_pupil_coordinate_present_idx"
        c.stop(name, present, "0", f"{name} is {present}, but no base message before has pupils")
    else:
        pupils.precision = history.base_pupils.precision
    for bit, eye in ((1, "left"), (2, "right")):
        if present & bit:
            before = getattr(pupils, eye) or (0, 0)
            stems = [f"gfve_pupil_{eye}_eye_d{axis}_coordinate" for axis in "xy"]
            limit = 1 << pupils.precision + 1
            setattr(pupils, eye, [c.signed(stem, value, limit) for stem, value in zip(stems, before, strict=True)])

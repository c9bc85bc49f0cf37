"""What the readers of the reference software (VTM and HM) get wrong, or would (SPEC.md clause C.7).

A writer does not write it by default; a checker warns of it.
"""

from __future__ import annotations

from typing import NamedTuple

from .elements import Trace
from .messages import GfveMessage, GfvMessage, Matrices, Message

MAX_PRECISION = 30
MAX_MAGNITUDE = (1 << 31) - 1
RESERVED_IDS = (range(256, 512), range(1 << 31, (1 << 32) - 1))


class Quirk(NamedTuple):
    """kind: item of SPEC.md clause C.7; message: what was found; element: the syntax element that shows it."""

    kind: str
    message: str
    element: str


class QuirkWatch:
    """Follows the messages of a stream as the reference software does: with one state for all identifiers."""

    def __init__(self) -> None:
        # Per payload type: the identifier of the message before and the geometry of the first base message.
        self._identifier: dict[str, object] = {}
        self._geometry: dict[str, object] = {}
        # Whether the last matrices of GFV were those of a base message.
        self._matrices_of_base = True

    def find(self, m: Message) -> list[Quirk]:
        """The quirks that a message meets; call for each message in order."""
        prefix = "gfv" if isinstance(m, GfvMessage) else "gfve"
        cnt = m.cnt if isinstance(m, GfvMessage) else m.gfv_cnt
        found: list[Quirk] = []
        coordinates = m.coordinates if isinstance(m, GfvMessage) else None
        matrices = m.matrices
        predicted = (coordinates is not None and coordinates.pred) or (matrices is not None and matrices.pred)
        identifier = m.id if isinstance(m, GfvMessage) else (m.id, m.gfv_id)
        before = self._identifier.get(prefix, identifier)
        if predicted and not m.base and before != identifier:
            text = f"prediction after a message of another {prefix}_id: they keep one state for all"
            found.append(Quirk("a", text, f"{prefix}_id"))
        self._identifier[prefix] = identifier
        if matrices is not None:
            found += self._matrix_quirks(prefix, m, matrices, cnt)
            if isinstance(m, GfvMessage) and not matrices.pred:
                found += _type_order(matrices, None if coordinates is None else len(coordinates.values))
        found += _number_quirks(prefix, m)
        if any(m.id in reserved for reserved in RESERVED_IDS):
            found.append(
                Quirk("i", f"{prefix}_id {m.id} is reserved: other readers ignore the message", f"{prefix}_id")
            )
        return found

    def _matrix_quirks(self, prefix: str, m: Message, matrices: Matrices, cnt: int) -> list[Quirk]:
        found = []
        if prefix == "gfv" and matrices.pred and cnt == 0 and not self._matrices_of_base:
            text = "matrices of a coded picture predicted after other matrices than the base message's"
            found.append(Quirk("b", text, "gfv_matrix_pred_flag"))
        if m.base:
            geometry = tuple(group.geometry for group in matrices.groups)
            if self._geometry.setdefault(prefix, geometry) != geometry:
                text = "matrices of another geometry than in the base message before"
                found.append(Quirk("d", text, f"{prefix}_matrix_present_flag"))
        if prefix == "gfv":
            self._matrices_of_base = bool(m.base)
        return found


def _type_order(matrices: Matrices, points: int | None) -> list[Quirk]:
    """Order of matrix types in one message; points: number of key points in it, None without."""
    types = [group.type for group in matrices.groups]
    affine = [number for number, kind in enumerate(types) if kind < 2]
    flags = [number for number, kind in enumerate(types) if kind in (4, 5, 6)]
    # One matrix a point, or another number, for each affine type: another number must not come after.
    usual = [group.count == points for group in matrices.groups if group.type < 2]
    wrong = (affine and flags) or (affine and affine[-1] != len(affine) - 1)
    wrong = wrong or (points is None and flags and flags[-1] != len(flags) - 1)
    if wrong or usual != sorted(usual):
        return [Quirk("c", f"matrix types {types} in this order", "gfv_matrix_type_idx")]
    return []


def _number_quirks(prefix: str, m: Message) -> list[Quirk]:
    """Numbers that do not fit the integers of the reference software."""
    found = []
    coordinates = m.coordinates if isinstance(m, GfvMessage) else None
    for block, name in (
        (coordinates, "gfv_coordinate_precision_factor_minus1"),
        (m.matrices, f"{prefix}_matrix_element_precision_factor_minus1"),
        (m.pupils if isinstance(m, GfveMessage) else None, "gfve_pupil_coordinate_precision_factor_minus1"),
    ):
        if block is not None and block.precision > MAX_PRECISION:
            found.append(Quirk("e", f"precision of {block.precision} bits, at most {MAX_PRECISION} is read", name))
    if coordinates and any(abs(value) > MAX_MAGNITUDE for point in coordinates.values for value in point):
        found.append(Quirk("e", f"coordinate above {MAX_MAGNITUDE}", "gfv_coordinate_present_flag"))
    if m.matrices:
        precision = m.matrices.precision
        if any(abs(value) >> precision > MAX_MAGNITUDE for group in m.matrices.groups for value in group.elements):
            found.append(Quirk("e", f"integer part above {MAX_MAGNITUDE}", f"{prefix}_matrix_present_flag"))
    return found


def carry_quirk(prefix: str) -> Quirk:
    """A fraction of 1 or more in a predicted element: legal, but carried into the integer part by our writer."""
    name = f"{prefix}_matrix_delta_element_dec"
    return Quirk("f", f"{name} of 2^precision or more", name)


def extension_quirk(trace: Trace, bits: int, *, repeated: bool) -> Quirk:
    """Bits after the syntax: extension data, or the base message's network payload once more."""
    what = "the network payload of the base message again" if repeated else "extension data"
    return Quirk("g" if repeated else "h", f"{bits} bits after the message, ignored: {what}", trace.elements[-1][0])

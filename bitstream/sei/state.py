"""What decoding a message needs to know of those before it: geometry, references and reconstruction, all exact (SPEC.md
clause C.5).

A reconstructed value is an integer and a shift: value / 2^shift.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from .messages import Coordinates, GfveMessage, GfvMessage, Matrices

# Identifiers followed at a time; the one used longest ago is forgotten, so that no stream can fill the memory.
MAX_IDENTIFIERS = 8


class Points(NamedTuple):
    """Reconstructed key points: values[i] is x, y (and z) of point i, over 2^shift."""

    precision: int
    z_max: int | None
    values: list[list[int]]
    shift: int

    @property
    def shape(self) -> tuple[int, bool]:
        return len(self.values), self.z_max is not None


class MatrixValues(NamedTuple):
    """Reconstructed matrices: geometry is (type, count, rows, columns) of each group, values all elements over
    2^shift."""

    precision: int
    geometry: tuple[tuple[int, int, int, int], ...]
    values: list[int]
    shift: int


class PupilValues(NamedTuple):
    """Reconstructed pupils: left x, left y, right x, right y over 2^precision."""

    precision: int
    values: tuple[int, int, int, int]
    shift: int


@dataclass
class History:
    """References of one identifier: of the last base message, and of the last message of any kind."""

    base_points: Points | None = None
    last_points: Points | None = None
    base_matrices: MatrixValues | None = None
    last_matrices: MatrixValues | None = None
    base_pupils: PupilValues | None = None
    last_pupils: PupilValues | None = None
    # The network payload of the last base message, to know it again where it is repeated as extension data.
    payload: bytes = b""


Key = TypeVar("Key")


class Histories(Generic[Key]):
    """A History for each identifier, at most MAX_IDENTIFIERS."""

    def __init__(self) -> None:
        self._found: OrderedDict[Key, History] = OrderedDict()

    def of(self, key: Key) -> History:
        """The history to read and to change; a new one if the identifier has none."""
        history = self._found.setdefault(key, History())
        self._found.move_to_end(key)
        if len(self._found) > MAX_IDENTIFIERS:
            self._found.popitem(last=False)
        return history

    def peek(self, key: Key) -> History:
        """The history to read alone."""
        return self._found.get(key) or History()


class MissingReferenceError(ValueError):
    """A message predicts from what is not there; the text says what."""


def _add(values: list[int], shift: int, reference: list[int], reference_shift: int) -> tuple[list[int], int]:
    """Sums over a common shift."""
    common = max(shift, reference_shift)
    up, reference_up = common - shift, common - reference_shift
    return [(a << up) + (b << reference_up) for a, b in zip(values, reference, strict=True)], common


def reconstruct_points(coordinates: Coordinates, history: History, *, base: bool, first: bool) -> Points:
    """Key points of a message; first: cnt is 0.

    Raises MissingReferenceError if there is no reference of the same shape.
    """
    precision, z_max, coded = coordinates.precision, coordinates.z_max, coordinates.values
    if not coordinates.pred:
        return Points(precision, z_max, [list(point) for point in coded], precision)
    if base:
        values, before = [], [0] * (2 if z_max is None else 3)
        for point in coded:
            before = [a + b for a, b in zip(before, point, strict=True)]
            values.append(before)
        return Points(precision, z_max, values, precision)
    reference = history.base_points if first else history.last_points
    if reference is None or reference.shape != (len(coded), z_max is not None):
        found = "none" if reference is None else f"one of {len(reference.values)} points"
        raise MissingReferenceError(f"prediction from a message with {len(coded)} points, {found} is there")
    axes = 2 if z_max is None else 3
    flat, shift = _add(
        [value for point in coded for value in point],
        precision,
        [value for point in reference.values for value in point],
        reference.shift,
    )
    return Points(precision, z_max, [flat[i : i + axes] for i in range(0, len(flat), axes)], shift)


def reconstruct_matrices(matrices: Matrices, history: History, *, first: bool) -> MatrixValues:
    """Matrices of a message; first: cnt is 0.

    Raises MissingReferenceError if there is no reference of the same geometry.
    """
    geometry = tuple(group.geometry for group in matrices.groups)
    coded = [element for group in matrices.groups for element in group.elements]
    if not matrices.pred:
        return MatrixValues(matrices.precision, geometry, coded, matrices.precision)
    reference = history.base_matrices if first else history.last_matrices
    if reference is None or reference.geometry != geometry:
        found = "none" if reference is None else "one of another geometry"
        raise MissingReferenceError(
            f"prediction from a message with the matrices of the base message, {found} is there"
        )
    values, shift = _add(coded, matrices.precision, reference.values, reference.shift)
    return MatrixValues(matrices.precision, geometry, values, shift)


def reconstruct_pupils(message: GfveMessage, history: History) -> PupilValues | None:
    """Pupils after a message; an eye that is not sent keeps its reference. None while no base message has had any.

    Raises MissingReferenceError if a driven message has pupils before any base message had.
    """
    pupils = message.pupils
    if pupils is None:
        # They are carried on: of the last base message for the coded picture itself, else of the message before.
        if not message.base and message.gfv_cnt == 0:
            return history.base_pupils
        return history.last_pupils
    if message.base:
        left = pupils.left or [0, 0]
        right = [a + b for a, b in zip(left, pupils.right or [0, 0], strict=True)]
        return PupilValues(pupils.precision, (*left, *right), pupils.precision)
    reference = history.base_pupils if message.gfv_cnt == 0 else history.last_pupils
    if reference is None:
        raise MissingReferenceError("pupils in a driven message, none were in a base message before")
    coded = [*(pupils.left or [0, 0]), *(pupils.right or [0, 0])]
    values, shift = _add(coded, pupils.precision, list(reference.values), reference.shift)
    return PupilValues(pupils.precision, (values[0], values[1], values[2], values[3]), shift)


def remember(
    history: History,
    message: GfvMessage | GfveMessage,
    points: Points | None,
    matrices: MatrixValues | None,
    pupils: PupilValues | None,
) -> None:
    """Make a message the reference of those after it; what it does not carry stays as it was."""
    history.last_points = points or history.last_points
    history.last_matrices = matrices or history.last_matrices
    history.last_pupils = pupils or history.last_pupils
    if message.base:
        history.base_points = points or history.base_points
        history.base_matrices = matrices or history.base_matrices
        history.base_pupils = pupils or history.base_pupils
        history.payload = message.nn.payload if message.nn else b""

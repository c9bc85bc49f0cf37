"""Parameters of pictures <-> CABAC bins (SPEC.md clause 7): prediction, binarisation, context selection.

The syntax is written down once, over a bin coder that either emits or reads: writer and reader cannot differ. Contexts
and history persist from picture to picture and are reset at a key picture.
"""

from __future__ import annotations

from .cabac import CabacDecoder, CabacEncoder, ContextSet
from .errors import BitstreamError
from .layout import VALUE_LIMIT, Layout, step_size

CLAUSE = "7.2"
MAX_TICKS = (1 << 31) - 1
ESCAPE = 10
CLASSES = 12
# Upper bounds of the activity classes (clause 7.2.4): activity is sixteen times a mean magnitude.
CLASS_BOUNDS = (1, 3, 6, 9, 13, 18, 26, 38, 60, 100, 180)
# Rice parameter of each class: magnitudes are coded as a prefix of |r| >> k and k plain bits.
RICE = (0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3)
# A class index for each activity up to the last bound.
_CLASS_OF = tuple(sum(activity >= bound for bound in CLASS_BOUNDS) for activity in range(CLASS_BOUNDS[-1] + 1))

# Contexts: same_ticks, skip (2), group_zero (3 per group, up to 16), then 12 classes of magnitude bins.
CTX_TICKS = 0
CTX_SKIP = 1
CTX_GROUP = 3
CTX_MAGNITUDE = CTX_GROUP + 3 * 16


def _initial_contexts() -> tuple[int, ...]:
    """Initial probability of a 1 in each context, in 1/128 (clause 7.4)."""
    # Zero and continuation probabilities of a Laplacian whose mean magnitude is the middle of the class.
    magnitude: list[int] = []
    for p_nonzero, p_more in zip(
        (3, 10, 20, 34, 44, 56, 66, 78, 90, 84, 84, 90), (8, 14, 20, 28, 36, 44, 54, 66, 82, 74, 74, 84), strict=True
    ):
        magnitude += [p_nonzero] + [p_more] * (ESCAPE - 1)
    return tuple([4, 40, 90] + [40] * 48 + magnitude)


INITIAL_CONTEXTS = _initial_contexts()


def _divide(numerator: int, denominator: int) -> int:
    """Nearest integer, halves upwards; the denominator is positive."""
    return (2 * numerator + denominator) // (2 * denominator)


def _clip(value: int) -> int:
    """Predictions stay in the range of values, so that every legal value has a residual that the escape code
    reaches."""
    return min(max(value, -VALUE_LIMIT), VALUE_LIMIT)


class Predictor:
    """Prediction of a picture's values from the picture before it (clause 7.2.3); knows the layout only, keeps no
    state."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        first = layout.groups[0]
        elements = first.count // first.components
        # From the summed change of group 0 to the mean change in steps of each group.
        self._ratios = [
            (step_size(first.step_index) / step_size(group.step_index) / elements).as_integer_ratio()
            for group in layout.groups
        ]

    def within_first(self, previous: list[int], moved: list[int], index: int) -> int:
        """Value ``index`` of group 0: moves as the elements before it moved on average; ``moved`` holds the sum of
        their changes for each component."""
        element, component = divmod(index, self.layout.groups[0].components)
        return _clip(previous[index] + (_divide(moved[component], element) if element else 0))

    def group(self, previous: list[int], moved: list[int], number: int, start: int) -> list[int]:
        """All values of group ``number`` > 0, which begin at ``start``: as group 0 moved on average, if it follows
        that."""
        group = self.layout.groups[number]
        before = previous[start : start + group.count]
        if not group.follows:
            return before
        numerator, denominator = self._ratios[number]
        shift = [_divide(total * numerator, denominator) for total in moved]
        return [_clip(value + shift[index % group.components]) for index, value in enumerate(before)]


class ParameterState:
    """What coding a picture needs to know of those before it; the same in writer and reader."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.predictor = Predictor(layout)
        self.contexts = ContextSet(INITIAL_CONTEXTS)
        self.values: list[int] = []
        self.reset()

    def reset(self) -> None:
        """At a key picture: contexts, activities and flags as at the start."""
        self.contexts.reset()
        self.activity = [8] * self.layout.count
        self.skipped = 0
        self.group_zero = [0] * len(self.layout.groups)


class BinWriter:
    """Writes the bins it is given and hands the values back."""

    def __init__(self, engine: CabacEncoder) -> None:
        self._engine = engine

    def flag(self, context: int, value: int) -> int:
        self._engine.encode(context, value)
        return value

    def bits(self, count: int, value: int) -> int:
        self._engine.bypass_bits(value, count)
        return value


class BinReader:
    """Reads bins; the values it is given do not matter."""

    def __init__(self, engine: CabacDecoder) -> None:
        self._engine = engine

    def flag(self, context: int, value: int) -> int:
        return self._engine.decode(context)

    def bits(self, count: int, value: int) -> int:
        return self._engine.bypass_bits(count)


Bins = BinWriter | BinReader


def exp_golomb(bins: Bins, order: int, value: int, maximum: int) -> int:
    """Exp-Golomb code of the given order in plain bins, H.266 clause 9.3.3.6; refused above ``maximum``."""
    base, width = 0, order
    while bins.bits(1, int(value >= base + (1 << width))):
        base += 1 << width
        width += 1
        if base > maximum:
            raise BitstreamError(f"escape code above {maximum}", offset=0, clause=CLAUSE)
    value = base + (bins.bits(width, value - base) if width else 0)
    if value > maximum:
        raise BitstreamError(f"value {value}, at most {maximum} expected", offset=0, clause=CLAUSE)
    return value


def code_magnitude(bins: Bins, kind: int, residual: int) -> int:
    """A residual with the contexts of activity class ``kind`` (clause 7.2.4)."""
    flag = bins.flag
    magnitude, rice = abs(residual), RICE[kind]
    context = CTX_MAGNITUDE + kind * ESCAPE
    prefix, target = 0, magnitude >> rice
    while prefix < ESCAPE:
        if not flag(context + prefix, int(target > prefix)):
            break
        prefix += 1
    else:
        prefix += exp_golomb(bins, 1, target - prefix, 2 * VALUE_LIMIT + 1 >> rice)
    magnitude = prefix << rice | (bins.bits(rice, magnitude & (1 << rice) - 1) if rice else 0)
    if magnitude and bins.bits(1, int(residual < 0)):
        return -magnitude
    return magnitude


def code_ticks(bins: Bins, ticks: int, expected: int) -> int:
    """Time since the picture before, in ticks of the header's time base (clause 7.2.1)."""
    if not 1 <= ticks <= MAX_TICKS:
        raise ValueError(f"{ticks} ticks, 1..{MAX_TICKS} expected")
    if bins.flag(CTX_TICKS, int(ticks != expected)):
        return exp_golomb(bins, 8, ticks - 1, MAX_TICKS - 1) + 1
    return expected


def code_values(bins: Bins, state: ParameterState, values: list[int], *, key: bool) -> list[int]:
    """All values of one picture.

    ``values`` is what to write; a reader's is ignored (zeros will do).
    """
    layout = state.layout
    previous = [0] * layout.count if key else state.values
    if key:
        state.reset()
    elif _code_skip(bins, state, values, previous):
        return previous
    result: list[int] = []
    moved = [0] * layout.groups[0].components
    start = 0
    for number, group in enumerate(layout.groups):
        stop = start + group.count
        if key:
            _code_key_group(bins, state, values, result, number, start)
        else:
            _code_group(bins, state, values, previous, result, moved, number, start)
        start = stop
    state.values = result
    return result


def _code_skip(bins: Bins, state: ParameterState, values: list[int], previous: list[int]) -> bool:
    skip = bins.flag(CTX_SKIP + state.skipped, int(values == previous))
    state.skipped = skip
    if skip:
        state.activity = [a - (a + 3 >> 2) for a in state.activity]
        state.group_zero = [1] * len(state.group_zero)
    return bool(skip)


def _code_key_group(
    bins: Bins, state: ParameterState, values: list[int], result: list[int], number: int, start: int
) -> None:
    """Key picture: each element is predicted from the one before it in its group."""
    group = state.layout.groups[number]
    for index in range(start, start + group.count):
        reference = result[index - group.components] if index - start >= group.components else 0
        residual = code_magnitude(bins, CLASSES - 1, values[index] - reference)
        result.append(_checked(reference + residual))


def _code_group(
    bins: Bins,
    state: ParameterState,
    values: list[int],
    previous: list[int],
    result: list[int],
    moved: list[int],
    number: int,
    start: int,
) -> None:
    group, activity = state.layout.groups[number], state.activity
    stop = start + group.count
    predicted = None
    if number:
        # Outside group 0 nothing in the group's own values enters the prediction, so one flag can cover them all.
        predicted = state.predictor.group(previous, moved, number, start)
        zero = bins.flag(CTX_GROUP + 3 * number + state.group_zero[number], int(values[start:stop] == predicted))
        state.group_zero[number] = zero
        if zero:
            result += [_checked(value) for value in predicted]
            activity[start:stop] = [a - (a + 3 >> 2) for a in activity[start:stop]]
            return
    near = 0
    for index in range(start, stop):
        reference = predicted[index - start] if predicted else state.predictor.within_first(previous, moved, index)
        level = activity[index]
        kind = _CLASS_OF[min(2 * level + near >> 1, CLASS_BOUNDS[-1])]
        residual = code_magnitude(bins, kind, values[index] - reference)
        magnitude = min(abs(residual), 64)
        near = near + 16 * magnitude >> 1
        activity[index] = level + (16 * magnitude - level >> 2)
        value = _checked(reference + residual)
        if number == 0:
            moved[index % group.components] += value - previous[index]
        result.append(value)


def _checked(value: int) -> int:
    if not -VALUE_LIMIT <= value <= VALUE_LIMIT:
        raise BitstreamError(f"parameter {value}, -{VALUE_LIMIT}..{VALUE_LIMIT} expected", offset=0, clause=CLAUSE)
    return value

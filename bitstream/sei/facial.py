"""Quantised parameters of our families <-> GFV messages (SPEC.md clause C.6.2), exact both ways."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import BitstreamError, CarriageError
from ..header import FAMILIES, Header
from ..layout import VALUE_LIMIT, step_size
from .messages import Coordinates, GfvMessage, Matrices, MatrixGroup, NeuralNetwork
from .parser import Parsed
from .quirks import MAX_MAGNITUDE, MAX_PRECISION
from .uri import TAG_URI, format_uri, fraction_bits

CLAUSE = "C.6.2"
COMPACT_FEATURE = 7
MAX_SIDE = 1024


class FacialMessages:
    """Makes the messages of one stream, and takes the values out of them again.

    Every value is an integer times a quantiser step, which is a binary fraction: the precision is the finest that any
    group needs, so that all are carried exactly.
    """

    def __init__(self, header: Header, syntax: str) -> None:
        """Raises CarriageError for layouts that the syntax cannot carry."""
        self.header = header
        self.syntax = syntax
        steps = [step_size(group.step_index) for group in header.layout.groups]
        self.precision = max(1, *map(fraction_bits, steps))
        for number, step in enumerate(steps):
            if fraction_bits(step) > MAX_PRECISION:
                raise CarriageError(
                    f"the quantiser step of parameter group {number} needs {fraction_bits(step)} fractional bits, a "
                    f"GFV message has at most {MAX_PRECISION} that all readers read"
                )
        self._scales = [
            int(step * 2**self.precision)
            for step, group in zip(steps, header.layout.groups, strict=True)
            for _ in range(group.count)
        ]
        self.identifier = FAMILIES.index(header.family)
        count = header.layout.count
        self._as_points = header.family == "keypoints2d"
        side = math.isqrt(count)
        self._rows, self._columns = (side, side) if side * side == count else (count, 1)
        if self._as_points and count % 2:
            raise CarriageError(f"{count} parameters of family keypoints2d, an even number expected: x and y of points")
        if not self._as_points and self._rows > MAX_SIDE:
            raise CarriageError(f"{count} parameters, a matrix of at most {MAX_SIDE} rows expected")
        self._before: list[int] = []

    def base(self, values: Sequence[int], *, with_uri: bool) -> GfvMessage:
        """The message of a key picture; with_uri: it says which network and layout the stream has."""
        scaled = self._scaled(values)
        network = NeuralNetwork(tag_uri=TAG_URI, uri=format_uri(self.header, self.syntax)) if with_uri else None
        message = GfvMessage(self.identifier, 0, 1, network)
        if self._as_points:
            # From the point before, which the syntax offers in base messages.
            deltas = [value - (scaled[i - 2] if i > 1 else 0) for i, value in enumerate(scaled)]
            message.coordinates = self._coordinates(1, deltas)
        else:
            message.matrices = self._matrices(0, scaled)
        self._before = scaled
        return message

    def driven(self, cnt: int, values: Sequence[int], fusion: int | None) -> GfvMessage:
        """The message of the picture ``cnt`` of a group, predicted from the message before."""
        scaled = self._scaled(values)
        deltas = [value - before for value, before in zip(scaled, self._before, strict=True)]
        message = GfvMessage(self.identifier, cnt, fusion=fusion)
        if self._as_points:
            message.coordinates = self._coordinates(1, deltas)
        else:
            message.matrices = self._matrices(1, deltas)
        self._before = scaled
        return message

    def values(self, parsed: Parsed) -> tuple[int, ...]:
        """The quantised parameters of a message.

        Raises BitstreamError if it has another form than ours, or a value that no quantised parameter gives.
        """
        found, shift = self._numbers(parsed)
        values = []
        for index, (value, scale) in enumerate(zip(found, self._scales, strict=True)):
            quotient, rest = divmod(value << self.precision, scale << shift)
            if rest or abs(quotient) > VALUE_LIMIT:
                raise BitstreamError(
                    f"parameter {index} is {value}/2^{shift}, a multiple of {scale}/2^{self.precision} up to "
                    f"{VALUE_LIMIT} times expected",
                    offset=0,
                    clause=CLAUSE,
                )
            values.append(quotient)
        return tuple(values)

    def _numbers(self, parsed: Parsed) -> tuple[list[int], int]:
        if self._as_points and parsed.points is not None:
            found, shift = [value for point in parsed.points.values for value in point], parsed.points.shift
        elif not self._as_points and parsed.matrices is not None:
            found, shift = parsed.matrices.values, parsed.matrices.shift
        else:
            found, shift = [], 0
        if len(found) != len(self._scales):
            raise BitstreamError(
                f"{len(found)} values for family {self.header.family}, {len(self._scales)} expected",
                offset=0,
                clause=CLAUSE,
            )
        return found, shift

    def _scaled(self, values: Sequence[int]) -> list[int]:
        return [value * scale for value, scale in zip(values, self._scales, strict=True)]

    def _coordinates(self, pred: int, deltas: list[int]) -> Coordinates:
        for index, delta in enumerate(deltas):
            if abs(delta) > MAX_MAGNITUDE:
                raise CarriageError(f"parameter {index} changes by {delta} units, at most {MAX_MAGNITUDE} expected")
        return Coordinates(pred, self.precision, None, [deltas[i : i + 2] for i in range(0, len(deltas), 2)])

    def _matrices(self, pred: int, elements: list[int]) -> Matrices:
        return Matrices(
            pred, self.precision, [MatrixGroup(COMPACT_FEATURE, 1, self._rows, self._columns, list(elements))]
        )

"""What the parameters of a stream look like: groups, quantiser steps, prediction.

All integers; steps are exact binary fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

MAX_GROUPS = 16
MAX_GROUP_VALUES = 1024
MAX_STEP_INDEX = 127
VALUE_LIMIT = 32767


def step_size(index: int) -> Fraction:
    """Quantiser step of ``index`` 0..127: 1, 7/8, 6/8, 5/8, then half of each, and so on (SPEC.md clause 6.3)."""
    if not 0 <= index <= MAX_STEP_INDEX:
        raise ValueError(f"step index {index}, 0..{MAX_STEP_INDEX} expected")
    octave, quarter = divmod(index, 4)
    return Fraction(8 - quarter, 8) / 2**octave


@dataclass(frozen=True)
class Group:
    """A run of values that share a step and contexts.

    count: values, 1..1024; components: values per element, 1..4 (2 for x, y), a divisor of count; step_index: 0..127;
    follows: the values are predicted to move as group 0 does in the same picture (never set for group 0).
    """

    count: int
    components: int
    step_index: int
    follows: bool


@dataclass(frozen=True)
class Layout:
    """The groups of a stream, 1..16."""

    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.groups) <= MAX_GROUPS:
            raise ValueError(f"{len(self.groups)} groups, 1..{MAX_GROUPS} expected")
        first = self.groups[0]
        for number, group in enumerate(self.groups):
            if not 1 <= group.count <= MAX_GROUP_VALUES:
                raise ValueError(f"group {number} has {group.count} values, 1..{MAX_GROUP_VALUES} expected")
            if not 1 <= group.components <= 4 or group.count % group.components:
                raise ValueError(f"group {number}: {group.components} components do not divide {group.count} values")
            step_size(group.step_index)
            if group.follows and (number == 0 or group.components != first.components):
                raise ValueError(f"group {number} cannot follow group 0")

    @property
    def count(self) -> int:
        """Values of one picture."""
        return sum(group.count for group in self.groups)

    def steps(self) -> list[float]:
        """Quantiser step of each value, exact in binary floating point."""
        return [float(step_size(group.step_index)) for group in self.groups for _ in range(group.count)]

"""How a family's parameters group; known without any network."""

from __future__ import annotations

from typing import NamedTuple


class ParameterGroup(NamedTuple):
    """A run of parameters that share a quantiser step and entropy-coding contexts.

    count: number of values; components: values per element (2 for x, y); step_index: default quantiser step, see
    `bitstream.step_size`; follows: the values move with those of the first group; dead_zone: default, in steps.
    """

    name: str
    count: int
    components: int
    step_index: int
    follows: bool = False
    dead_zone: float = 1.0

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


# Modes of the head's motion (`modes`), which follow the values that move the key points.
MODE_COUNT = 16
MODE_GROUP = ParameterGroup("mode", MODE_COUNT, 1, 4)
# Values of the looks of mouth and eyes (`looks`), which follow all others.
MOUTH_LOOK, EYES_LOOK = 6, 4
LOOK_GROUPS = (ParameterGroup("mouth_look", MOUTH_LOOK, 1, 8), ParameterGroup("eyes_look", EYES_LOOK, 1, 8))
LOOK_COUNT = MOUTH_LOOK + EYES_LOOK
MOUTH_PART, EYES_PART = slice(0, MOUTH_LOOK), slice(MOUTH_LOOK, LOOK_COUNT)

"""Pairs of pictures as an encoder in use has them: decoded key pictures, and driving pictures registered to them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datasets.clips import FrameCache

from ..backends.base import Backend, Key
from ..models.mode_map import ModeMap
from ..models.point_map import PointMap
from ..parameters import family_quantiser
from ..registration import Registration
from .degrade import degraded_rows

# Driving pictures of each key picture.
PARTNERS = 12


class Pairing:
    """Key pictures of a cache of frames, and their driving pictures.

    drives: rows of the driving pictures of each key picture, as `degraded_rows` lists these; keys: those that have any,
    because a still drives nothing; points, modes: what registration fits, and mode_hold, how firmly (`Registration`).
    """

    def __init__(self, frames: FrameCache, degraded: np.ndarray, backend: Backend, seed: int) -> None:
        self.frames, self.backend = frames, backend
        self._degraded = degraded
        self._quantiser = family_quantiser(backend.groups)
        self.points, self.modes = PointMap(backend.weights), ModeMap.of(backend.weights)
        self.mode_hold: np.ndarray | None = None
        rows = degraded_rows(frames)
        starts, counts = (np.array([clip[part] for clip in frames.clips]) for part in (1, 2))
        clips = np.searchsorted(starts, rows, side="right") - 1
        self.drives: list[np.ndarray] = []
        for index, (row, clip) in enumerate(zip(rows, clips, strict=True)):
            others = np.delete(np.arange(starts[clip], starts[clip] + counts[clip]), row - starts[clip])
            drawn = np.random.default_rng((seed, index)).choice(others, min(PARTNERS, len(others)), replace=False)
            self.drives.append(np.sort(drawn))
        self.keys = [index for index, drives in enumerate(self.drives) if len(drives)]

    def __call__(self, index: int) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
        """The work for one key picture, for `overlap`."""
        return lambda: self.pairs(index)

    def pairs(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """What is made of the pairs of one key picture, in two arrays."""
        raise TypeError(f"{type(self).__name__} does not define pairs()")

    def decoded(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Parameters as a decoder has them, and their points [K, 2]."""
        received = self._quantiser.dequantise(self._quantiser.quantise_key(parameters))
        return received, self.points(received)[0]

    def key(self, index: int) -> tuple[Key, np.ndarray, np.ndarray]:
        """A key picture, prepared, with its parameters as a decoder has them and their points [K, 2]."""
        original = np.asarray(self._degraded[index])
        parameters, points = self.decoded(self.backend.analyse(original))
        return self.backend.prepare(original, parameters), parameters, points

    def registration(self, key: Key, parameters: np.ndarray) -> Registration:
        """Of driving pictures to a key picture, as an encoder has it."""
        person = self.backend.person(key)
        return Registration(key.shown, person, parameters, self.points, modes=self.modes, mode_hold=self.mode_hold)

"""What encoder and decoder ask of the networks, wherever they run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..models.groups import ParameterGroup
from ..models.store import Weights

# Where the state of generation 3 has the person's mask, and its side.
MASK, PERSON_SIZE = 2, 128


class Key(NamedTuple):
    """A prepared key picture: what is shown for it, uint8 [H, W, 3], and what its backend needs to generate others."""

    shown: np.ndarray
    state: Any


class Backend(ABC):
    """The networks of one weights file, ready to run.

    Pictures are uint8 [H, W, 3] RGB of any size, parameters float32 [n]. Calls may come from several threads.

    name: of the backend; device: where it computes; weights: what it runs; groups: the family's parameters; workers:
    calls at once that keep the device busy.
    """

    name = ""

    def __init__(
        self, weights: Weights, groups: tuple[ParameterGroup, ...], device: str = "cpu", workers: int = 1
    ) -> None:
        self.weights, self.groups, self.device, self.workers = weights, groups, device, workers

    @property
    def count(self) -> int:
        """Parameters of a picture."""
        return sum(group.count for group in self.groups)

    def analyse(self, rgb: np.ndarray) -> np.ndarray:
        """The parameters of a picture."""
        return self._analyse(padded(rgb))

    def prepare(self, rgb: np.ndarray, parameters: np.ndarray) -> Key:
        """Once a group: a decoded key picture and its parameters."""
        shown, state = self._prepare(padded(rgb), parameters.astype(np.float32))
        return Key(cropped(shown, rgb), state)

    def generate(self, key: Key, parameters: np.ndarray) -> np.ndarray:
        """Each driven picture, from its parameters."""
        return cropped(self._generate(key.state, parameters.astype(np.float32)), key.shown)

    def person(self, key: Key) -> np.ndarray | None:
        """Where the person is in a key picture, float32 [128, 128], 0..1; None for weights of generation 1 and 2, which
        do not know."""
        return None if self.weights.generation < 3 else self._part(key.state, MASK).reshape(PERSON_SIZE, PERSON_SIZE)

    def generate_many(self, keys: Sequence[Key], parameters: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One picture of each of several streams of one size; in one batch where that is faster."""
        return [self.generate(key, row) for key, row in zip(keys, parameters, strict=True)]

    @abstractmethod
    def _analyse(self, rgb: np.ndarray) -> np.ndarray:
        """As `analyse`; height and width are multiples of 4, here and below."""

    @abstractmethod
    def _prepare(self, rgb: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, Any]:
        """What is shown for the key picture, and the state."""

    @abstractmethod
    def _part(self, state: Any, index: int) -> np.ndarray:
        """One tensor of the state, by its place."""

    @abstractmethod
    def _generate(self, state: Any, parameters: np.ndarray) -> np.ndarray:
        """A picture."""


def padded(rgb: np.ndarray) -> np.ndarray:
    """Edges repeated to the right and below up to multiples of 4, as the networks need."""
    height, width = rgb.shape[:2]
    if height % 4 == 0 and width % 4 == 0:
        return np.ascontiguousarray(rgb)
    return np.pad(rgb, ((0, -height % 4), (0, -width % 4), (0, 0)), mode="edge")


def cropped(rgb: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The converse: the size of ``like``."""
    return np.ascontiguousarray(rgb[: like.shape[0], : like.shape[1]])

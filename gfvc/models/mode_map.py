"""Modes of the head's motion (`modes`) for the encoder, without a network's library."""

from __future__ import annotations

import numpy as np
from safetensors.numpy import load

from ..sampling import BilinearMap
from .mode_shape import BELOW, NODES, SPACING
from .points import index_of
from .store import Weights

_BASIS = "synthesis.modes.basis"
_FOREHEAD, _CHIN, _RIGHT, _LEFT = index_of("forehead", "chin", "right_side", "left_side")


class ModeMap:
    """How a picture moves with the modes' values: what `modes.MotionModes` computes, as a derivative.

    basis: [M, 2, 13, 13]; count: M.
    """

    def __init__(self, basis: np.ndarray | None = None) -> None:
        """basis: None is no modes."""
        self.basis = np.zeros((0, 2, NODES, NODES), np.float32) if basis is None else basis.astype(np.float32)
        self.count = len(self.basis)
        # One sampling for all: [13, 13, 2 M].
        self._map = BilinearMap(
            np.ascontiguousarray(np.moveaxis(self.basis.reshape(2 * self.count, NODES, NODES), 0, -1))
        )

    @classmethod
    def of(cls, weights: Weights) -> ModeMap:
        """Those of weights, none for generations that have none."""
        return cls(load(weights.data).get(_BASIS))

    def __call__(self, driving: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """What a value of 1 of each mode moves at positions [N, 2] of a picture with key points [K, 2]: [2, N, M]."""
        down = driving[_CHIN] - driving[_FOREHEAD]
        height = max(float(np.linalg.norm(down)), 1e-3)
        size = 0.5 * max(height + float(np.linalg.norm(driving[_LEFT] - driving[_RIGHT])), 0.1)
        down = down * (size / height)
        right = np.array((down[1], -down[0]), np.float32)
        centre = driving[[_FOREHEAD, _CHIN, _RIGHT, _LEFT]].mean(0) + BELOW * down
        places = (positions - centre) @ np.stack((right, down), axis=1) / (size * size)
        moved = self._map(places * (2 / (NODES * SPACING))).reshape(len(positions), self.count, 2)
        return np.stack([moved[..., 0] * right[axis] + moved[..., 1] * down[axis] for axis in (0, 1)])

"""The key points that parameters stand for, and how they move with them, without a network's library."""

from __future__ import annotations

import numpy as np
from safetensors.numpy import load

from .points import POINT_COUNT
from .store import Weights


class PointMap:
    """Parameters of a family -> key points.

    What `FaceModel.points` computes, for the encoder, which also needs the derivative. Without weights, or with those
    of a family whose parameters are the points, they are what they are.

    count: parameters that stand for them.
    """

    def __init__(self, weights: Weights | None = None) -> None:
        tensors = {} if weights is None or weights.family == "keypoints2d" else load(weights.data)
        self._code = {
            name.removeprefix("decoder.code."): tensor.astype(np.float32)
            for name, tensor in tensors.items()
            if name.startswith("decoder.code.")
        }
        self.count = self._code["linear.weight"].shape[1] if self._code else 2 * POINT_COUNT

    def __call__(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first ``count`` parameters, float32, of as many or more -> key points [K, 2] and their derivative
        [2 K, count]; what follows those says nothing of the points."""
        parameters = parameters[: self.count]
        if not self._code:
            return parameters.reshape(POINT_COUNT, 2), np.eye(2 * POINT_COUNT, dtype=np.float32)
        code = self._code
        values = parameters @ code["linear.weight"].T + code["linear.bias"]
        x, slope = parameters, np.eye(len(parameters), dtype=np.float32)
        for layer in (0, 2):
            x = code[f"layers.{layer}.weight"] @ x + code[f"layers.{layer}.bias"]
            slope = (code[f"layers.{layer}.weight"] @ slope) * (x > 0)[:, None]
            x = np.maximum(x, 0)
        values = values + code["layers.4.weight"] @ x + code["layers.4.bias"]
        return values.reshape(POINT_COUNT, 2), code["linear.weight"] + code["layers.4.weight"] @ slope

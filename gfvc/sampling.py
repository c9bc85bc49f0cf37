"""Bilinear sampling in NumPy, for an encoder that needs no network's library."""

from __future__ import annotations

import numpy as np


class BilinearMap:
    """Channels [H, W, C] that can be sampled at positions [N, 2] in -1..1, border repeated: [N, C]."""

    def __init__(self, channels: np.ndarray) -> None:
        self._height, self._width, count = channels.shape
        self._rows = channels.reshape(self._height * self._width, count)

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        x = np.clip((positions[:, 0] + 1) * (self._width / 2) - 0.5, 0, self._width - 1)
        y = np.clip((positions[:, 1] + 1) * (self._height / 2) - 0.5, 0, self._height - 1)
        left = np.minimum(x.astype(np.int64), self._width - 2)
        top = np.minimum(y.astype(np.int64), self._height - 2)
        # In the type of the positions: with integers NumPy would go on in 64 bits, which takes longer.
        right, below = ((place - whole.astype(place.dtype))[:, None] for place, whole in ((x, left), (y, top)))
        at = top * self._width + left
        rows = self._rows
        left_share, upper_share = 1 - right, 1 - below
        # `take` fetches rows quicker than indexing does.
        upper = rows.take(at, 0) * left_share + rows.take(at + 1, 0) * right
        lower = rows.take(at + self._width, 0) * left_share + rows.take(at + self._width + 1, 0) * right
        return upper * upper_share + lower * below

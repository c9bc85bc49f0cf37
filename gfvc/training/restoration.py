"""What the stage `restore` learns from: pieces of pictures before and after a key-picture codec."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from datasets.clips import FrameCache

from .degrade import degraded_rows

PIECE = 96


class PieceBatch(NamedTuple):
    """Pieces of decoded key pictures and of their originals, [B, 3, 96, 96] or whole small pictures, in 0..1."""

    key: Tensor
    driving: Tensor


class PieceSampler:
    """Draws pieces from anywhere in the coded pictures; mirrored, and darker or lighter, at random."""

    def __init__(self, cache: FrameCache, degraded: np.ndarray, device: torch.device) -> None:
        self.frames, self.degraded, self.device = cache.frames, degraded, device
        self.rows = degraded_rows(cache)
        self.side = min(PIECE, self.frames.shape[1])
        counts = torch.tensor([count for _, _, count in cache.clips])
        clip = torch.repeat_interleave(torch.arange(len(counts)), counts)[torch.from_numpy(self.rows)]
        # By the square root of the clip's length, as in `PairSampler`.
        self.weights = 1 / torch.bincount(clip)[clip].double().sqrt()
        self.generator = torch.Generator()

    def draw(self, count: int) -> PieceBatch:
        """A batch of ``count`` pieces."""
        g, side = self.generator, self.side
        chosen = torch.multinomial(self.weights, count, replacement=True, generator=g).tolist()
        top, left = torch.randint(0, self.frames.shape[1] - side + 1, (2, count), generator=g).tolist()
        pairs = [
            np.stack(
                [
                    source[row, y : y + side, x : x + side]
                    for source, row in ((self.degraded, c), (self.frames, self.rows[c]))
                ]
            )
            for c, y, x in zip(chosen, top, left, strict=True)
        ]
        pieces = torch.from_numpy(np.stack(pairs)).to(self.device).permute(1, 0, 4, 2, 3).float() / 255
        mirrored = torch.rand(count, generator=g) < 0.5
        pieces[:, mirrored] = pieces[:, mirrored].flip(-1)
        gain = 1 + 0.4 * (torch.rand(count, 1, 1, 1, generator=g) - 0.5).to(self.device)
        return PieceBatch(*(pieces * gain).clamp(0, 1))

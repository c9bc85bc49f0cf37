"""What the stage `code` learns from: the key points of pictures, found once, because the analysis stays as it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from datasets.clips import FrameCache

from ..models.families import Compact
from .data import random_affine, transform_points
from .register import registrations, start_values


class PointBatch(NamedTuple):
    """Points of two pictures of one clip each, and of the picture after the second one, [B, K, 2]."""

    key: Tensor
    driving: Tensor
    following: Tensor


@torch.no_grad()
def analyse_frames(model: Compact, cache: FrameCache, device: torch.device, batch: int = 32) -> Tensor:
    """The points of every picture of a cache as an encoder finds them, with the first picture of each clip as the key
    picture: float32 [N, K, 2]."""
    found = []
    for start in range(0, len(cache.frames), batch):
        frames = torch.from_numpy(np.array(cache.frames[start : start + batch])).to(device)
        found.append(model.analysis.refined(frames.permute(0, 3, 1, 2).float() / 255).float().cpu())
    points = torch.cat(found)
    for _, start, count in cache.clips:
        if count == 1:
            continue
        key = torch.from_numpy(np.array(cache.frames[start : start + 1])).to(device).permute(0, 3, 1, 2).float() / 255
        (registration,) = registrations(model.synthesis, key, points[start : start + 1])
        for row in range(start + 1, start + count):
            (values,) = start_values(model.synthesis, points[row : row + 1])
            fitted = registration.fit(cache.frames[row], values).parameters[: points[row].numel()]
            points[row] = torch.from_numpy(fitted).view(-1, 2)
    return points


class PointSampler:
    """Draws pairs of pictures of one clip under a common random similarity transform, as points."""

    def __init__(self, cache: FrameCache, points: Tensor, device: torch.device) -> None:
        self.points, self.device = points, device
        self.start = torch.tensor([start for _, start, _ in cache.clips])
        self.length = torch.tensor([count for _, _, count in cache.clips])
        self.generator = torch.Generator()

    def draw(self, count: int) -> PointBatch:
        """A batch of ``count`` pairs; clips are drawn by the square root of their length, as in `PairSampler`."""
        g = self.generator
        clip = torch.multinomial(self.length.double().sqrt(), count, replacement=True, generator=g)
        within = (torch.rand(2, count, generator=g) * self.length[clip]).long()
        within = torch.cat((within, torch.minimum(within[1] + 1, self.length[clip] - 1)[None]))
        affine = random_affine(count, g, 0.8)
        return PointBatch(
            *(transform_points(self.points[self.start[clip] + row], affine).to(self.device) for row in within)
        )

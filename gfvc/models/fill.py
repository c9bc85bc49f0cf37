"""What may lie behind the person: the background, drawn over the place that the person takes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_LEVELS = 6


def spread(mask: Tensor) -> Tensor:
    """A mask [B, 1, H, W], 0..1, made wider by two samples and nearly hard: what is even partly the person's counts."""
    return ((F.max_pool2d(mask, 5, 1, 2) - 0.1) * 5).clamp(0, 1)


def fill(pictures: Tensor, known: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] with their unknown parts drawn smoothly from the known ones, ``known`` [B, 1, H, W], 0..1.

    Push-pull (Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4): averages of what is known, over ever larger
    squares, fill what is not. Sizes need no power of two.
    """
    levels = [torch.cat((pictures * known, known), dim=1)]
    for _ in range(_LEVELS):
        if min(levels[-1].shape[-2:]) < 2:
            break
        levels.append(F.avg_pool2d(levels[-1], 2, ceil_mode=True))
    total, weight = levels[-1][:, :3], levels[-1][:, 3:]
    filled = total / weight.clamp(min=1e-4)
    for level in reversed(levels[:-1]):
        above = F.interpolate(filled, size=level.shape[-2:], mode="bilinear", align_corners=False)
        weight = level[:, 3:]
        # A few known samples are enough to say what is there.
        sure = (4 * weight).clamp(max=1)
        filled = sure * level[:, :3] / weight.clamp(min=1e-4) + (1 - sure) * above
    return known * pictures + (1 - known) * filled

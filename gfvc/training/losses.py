"""Training losses.

Pictures are [B, 3, H, W] in 0..1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..models.blocks import gaussian_maps
from ..models.families import EXPLICIT_COUNT
from ..models.points import EYES_SLICE, MOUTH_SLICE
from ..quality import luma


class LossWeights(NamedTuple):
    """Of the losses that can be left out, as 0: fine detail, what lies still, adversarial, its features, and the rate
    of a code."""

    texture: float = 0.5
    still: float = 0.05
    adversarial: float = 0.0
    features: float = 0.0
    rate: float = 0.02


def region_weight(marks: Tensor, size: int) -> Tensor:
    """1 everywhere, up to 8 at mouth and eyes, where the marks are known: [B, 1, size, size]."""
    known = torch.isfinite(marks).all(-1, keepdim=True)
    points = torch.where(known, marks, torch.full_like(marks, 9.0))
    chosen = torch.cat((points[:, MOUTH_SLICE], points[:, EYES_SLICE]), dim=1)
    return 1 + 7 * gaussian_maps(chosen, size, 0.08).amax(1, keepdim=True)


def pyramid_l1(a: Tensor, b: Tensor, weight: Tensor, levels: int = 4) -> Tensor:
    """Mean weighted absolute difference, summed over ``levels`` sizes, each half of the one before."""
    total = a.new_zeros(())
    for level in range(levels):
        total = total + ((a - b).abs() * weight).mean()
        if level + 1 < levels:
            a, b, weight = (F.avg_pool2d(x, 2) for x in (a, b, weight))
    return total


def ssim_loss(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """1 - structural similarity (Wang et al., 2004) with a 7x7 uniform window on luma, weighted by region."""
    a, b = luma(a), luma(b)
    mean_a, mean_b = F.avg_pool2d(a, 7, 1), F.avg_pool2d(b, 7, 1)
    var_a = F.avg_pool2d(a * a, 7, 1) - mean_a**2
    var_b = F.avg_pool2d(b * b, 7, 1) - mean_b**2
    cov = F.avg_pool2d(a * b, 7, 1) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    ssim = ((2 * mean_a * mean_b + c1) * (2 * cov + c2)) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return ((1 - ssim) * weight[..., 3:-3, 3:-3]).mean()


def texture_loss(a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean difference in the amount of fine detail: of the root mean square of the Laplacian in windows of 8x8.

    A mean of what may be there is blurred; this loss asks for as much detail as there is, whatever its phase.
    """
    kernel = a.new_tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]]).view(1, 1, 3, 3)
    energies = [F.avg_pool2d(F.conv2d(luma(x), kernel).square(), 8, 4) for x in (a, b)]
    difference = (energies[0] + 1e-5).sqrt() - (energies[1] + 1e-5).sqrt()
    if weight is None:
        return difference.abs().mean()
    return (difference.abs() * F.avg_pool2d(weight[..., 1:-1, 1:-1], 8, 4)).mean()


def stillness_loss(shares: Tensor, targets: Tensor, keys: Tensor) -> Tensor:
    """Where target and key picture [B, 3, S, S] are the same, the share of rest should be 1: mean of its negative
    logarithm there.

    ``shares`` as in `models.layered.Layers`. The same means: luma differs by less than 1.5 % of its range, in the mean
    of 9x9 pixels.
    """
    difference = F.avg_pool2d((luma(targets) - luma(keys)).abs(), 9, 1, 4)
    still = (difference < 0.015).to(shares.dtype)
    return -(shares[:, 2:].clamp(min=1e-4).log() * still).mean()


def point_loss(points: Tensor, marks: Tensor) -> Tensor:
    """Mean absolute distance of points [B, K, 2] and as many marks, mouth and eyes twice; unknown marks (NaN) do not
    count."""
    known = torch.isfinite(marks)
    weight = known.float()
    weight[:, MOUTH_SLICE] *= 2
    weight[:, EYES_SLICE] *= 2
    distance = (points - torch.where(known, marks, torch.zeros_like(marks))).abs()
    return (distance * weight).sum() / weight.sum().clamp(min=1)


def equivariance_loss(moved: Tensor, expected: Tensor) -> Tensor:
    """Mean distance of the implicit points of a transformed picture from where they should be; those off the picture do
    not count."""
    inside = (expected.abs() < 0.95).all(-1, keepdim=True)
    return ((moved - expected).abs() * inside)[:, EXPLICIT_COUNT:].mean()


def local_loss(
    found: Tensor, expected: Tensor, gap: tuple[int, int], weights: tuple[float, float, float] = (1, 1, 1)
) -> Tensor:
    """Mean error of points [2 B, N, 2] of mouth or eye, those of B key pictures before those of B driving pictures.

    Three errors are added, each times its weight: where the points are, how far the two of ``gap`` are apart, and how
    the points move between the two pictures of a pair: an error that stays costs nothing in motion. Unknown points are
    NaN in ``expected``.
    """
    error = torch.where(torch.isfinite(expected), found - expected.nan_to_num(), 0.0)
    opening = error[:, gap[1], 1] - error[:, gap[0], 1]
    key, driving = error.chunk(2)
    errors = (error, opening, driving - key)
    return sum(weight * part.abs().mean() for weight, part in zip(weights, errors, strict=True))

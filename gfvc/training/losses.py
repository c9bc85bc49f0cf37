"""Training losses.

Pictures are [B, 3, H, W] in 0..1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..models.blocks import gaussian_maps
from ..models.local import opening
from ..models.points import EYES_SLICE, FACE_COUNT, MOUTH_SLICE
from ..quality import luma


class LossWeights(NamedTuple):
    """Of the losses that can be left out, as 0: fine detail, shares of the layers, adversarial, its features, and the
    rate of a code."""

    texture: float = 0.5
    shares: float = 0.05
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


def mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy of mask logits [B, 1, N, N] to masks [B, 1, S, S], 0..1, S a multiple of N or a divisor; unknown
    ones (NaN) do not count."""
    masks = F.interpolate(masks, size=logits.shape[-2:], mode="bilinear", align_corners=False, antialias=True)
    known = torch.isfinite(masks)
    loss = F.binary_cross_entropy_with_logits(logits, masks.nan_to_num(0.0), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)


def behind_loss(behind: Tensor, key_mask: Tensor, targets: Tensor, target_mask: Tensor) -> Tensor:
    """Mean absolute error of what is drawn behind the person, [B, 3, S, S], where the person of the key picture has
    gone and the target picture shows what was there; masks [B, 1, S, S], 0..1, NaN where unknown."""
    uncovered = (key_mask > 0.3) & (target_mask < 0.05)
    error = (behind - targets).abs().mean(1, keepdim=True)
    return (error * uncovered).sum() / uncovered.sum().clamp(min=100)


def shares_loss(shares: Tensor, masks: Tensor) -> Tensor:
    """What is behind the person should be shown where the person is not, and nowhere else: cross-entropy of the last of
    the ``shares`` of `models.layered.Layers` to masks [B, 1, S, S] of the target pictures; NaN does not count."""
    known = torch.isfinite(masks)
    masks = masks.nan_to_num(0.0)
    behind = shares[:, 2:].clamp(1e-4, 1 - 1e-4)
    loss = (1 - masks) * behind.log() + masks * (1 - behind).log()
    return -(loss * known).sum() / known.sum().clamp(min=1)


def need(carried: Tensor, targets: Tensor) -> Tensor:
    """Where generated content is needed: 0.1 where what is carried over from the key picture is right, up to 1 where it
    is wrong by a quarter of the range: [B, 1, S, S], without gradient."""
    error = (carried.detach() - targets).abs().mean(1, keepdim=True)
    return (0.1 + 4 * F.avg_pool2d(error, 5, 1, 2, count_include_pad=False)).clamp(max=1)


def point_loss(points: Tensor, marks: Tensor) -> Tensor:
    """Mean absolute distance of points [B, N, 2] (all, those of the face or those of the outline) and as many marks;
    mouth and eyes count twice, unknown marks (NaN) do not count."""
    known = torch.isfinite(marks)
    weight = known.float()
    if points.shape[1] >= FACE_COUNT:
        weight[:, MOUTH_SLICE] *= 2
        weight[:, EYES_SLICE] *= 2
    distance = (points - torch.where(known, marks, torch.zeros_like(marks))).abs()
    return (distance * weight).sum() / weight.sum().clamp(min=1)


def equivariance_loss(moved: Tensor, expected: Tensor) -> Tensor:
    """Mean distance of the points of a transformed picture from where they should be; those off the picture do not
    count."""
    inside = (expected.abs() < 0.95).all(-1, keepdim=True)
    return ((moved - expected).abs() * inside).mean()


def local_loss(
    found: Tensor, expected: Tensor, gap: tuple[int, int], weights: tuple[float, float, float] = (1, 1, 1)
) -> Tensor:
    """Mean error of points [2 B, N, 2] of mouth or eye, those of B key pictures before those of B driving pictures.

    Three errors are added, each times its weight: where the points are, how far the two of ``gap`` are apart, and how
    the points move between the two pictures of a pair: an error that stays costs nothing in motion. Unknown points are
    NaN in ``expected``.
    """
    error = torch.where(torch.isfinite(expected), found - expected.nan_to_num(), 0.0)
    key, driving = error.chunk(2)
    errors = (error, opening(error, gap), driving - key)
    return sum(weight * part.abs().mean() for weight, part in zip(weights, errors, strict=True))

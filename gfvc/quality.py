"""The quality measure of the encoder's closed loop.

Evaluation has its own metrics; this one has to be quick.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_LUMA = (0.299, 0.587, 0.114)
WORKING_SIZE = 128


def luma(pictures: Tensor) -> Tensor:
    """BT.601 luma of RGB pictures: [B, 3, H, W] -> [B, 1, H, W]."""
    return (pictures * pictures.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def small_luma(pictures: Tensor, size: int) -> Tensor:
    """[B, 3, H, W] in 0..1 -> luma area-reduced to about ``size`` pixels on the short side, [B, 1, h, w]."""
    grey = luma(pictures)
    factor = min(grey.shape[-2:]) // size
    return F.avg_pool2d(grey, factor) if factor > 1 else grey


def structural_similarity(a: Tensor, b: Tensor) -> float:
    """Mean SSIM (Wang et al., 2004) of luma reduced to 128 pixels, 8x8 uniform windows every 4 pixels: -1..1, 1 is
    equal."""
    a, b = small_luma(a, WORKING_SIZE), small_luma(b, WORKING_SIZE)
    means = [F.avg_pool2d(x, 8, 4) for x in (a, b, a * a, b * b, a * b)]
    variance_a, variance_b = means[2] - means[0] ** 2, means[3] - means[1] ** 2
    covariance = means[4] - means[0] * means[1]
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * means[0] * means[1] + c1) * (2 * covariance + c2)
    score = score / ((means[0] ** 2 + means[1] ** 2 + c1) * (variance_a + variance_b + c2))
    return float(score.mean())


def picture_change(a: Tensor, b: Tensor) -> float:
    """Mean absolute luma difference at 64 pixels, 0..1: large at a scene cut."""
    return float((small_luma(a, 64) - small_luma(b, 64)).abs().mean())


def to_tensor(rgb, device: torch.device) -> Tensor:
    """uint8 [H, W, 3] -> float [1, 3, H', W'] in 0..1 with edges repeated up to multiples of 4, as the networks
    need."""
    picture = torch.from_numpy(rgb).to(device).permute(2, 0, 1)[None].float() / 255
    height, width = picture.shape[-2:]
    return F.pad(picture, (0, -width % 4, 0, -height % 4), mode="replicate")


def to_rgb8(picture: Tensor, height: int, width: int):
    """The converse: [1, 3, H', W'] -> uint8 [height, width, 3]."""
    cropped = picture[0, :, :height, :width].clamp(0, 1)
    return (cropped * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()

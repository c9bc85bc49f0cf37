"""Pictures as tensors, and their luma."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_LUMA = (0.299, 0.587, 0.114)


def luma(pictures: Tensor) -> Tensor:
    """BT.601 luma of RGB pictures: [B, 3, H, W] -> [B, 1, H, W]."""
    return (pictures * pictures.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


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

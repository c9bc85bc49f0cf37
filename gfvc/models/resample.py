"""Size changes of pictures inside the networks."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def reduce_picture(pictures: Tensor, size: int) -> Tensor:
    """Area-reduce (or bilinearly enlarge) pictures [B, 3, H, W] to [B, 3, size, size]."""
    height, width = pictures.shape[-2:]
    if (height, width) == (size, size):
        return pictures
    if height >= size and width >= size:
        if height % size == 0 and width % size == 0:
            return F.avg_pool2d(pictures, (height // size, width // size))
        return F.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
    return F.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False)

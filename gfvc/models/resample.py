"""Size changes of pictures inside the networks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

_size_is_free = False


@contextlib.contextmanager
def free_size() -> Iterator[None]:
    """For tracing: the graph has to do for every picture size, not only for that of the example."""
    global _size_is_free
    before, _size_is_free = _size_is_free, True
    try:
        yield
    finally:
        _size_is_free = before


def reduce_picture(pictures: Tensor, size: int) -> Tensor:
    """Area-reduce (or bilinearly enlarge) pictures [B, 3, H, W] to [B, 3, size, size]."""
    if _size_is_free:
        return _by_matrices(pictures, size)
    # Plain numbers for a tracer too: here it traces for one size.
    height, width = (int(length) for length in pictures.shape[-2:])
    if (height, width) == (size, size):
        return pictures
    if height >= size and width >= size:
        if height % size == 0 and width % size == 0:
            return F.avg_pool2d(pictures, (height // size, width // size))
        if torch.jit.is_tracing():
            return _by_matrices(pictures, size)
        return F.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
    return F.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False)


def _by_matrices(pictures: Tensor, size: int) -> Tensor:
    """`reduce_picture` as two matrix products, for graphs: engines know neither pooling by a size that is not constant
    nor interpolation with a low pass."""
    height, width = torch._shape_as_tensor(pictures)[-2:].unbind()
    smooth = (height >= size) & (width >= size)
    boxes = smooth & (height % size == 0) & (width % size == 0)
    rows, columns = (_weights(length, size, smooth, boxes) for length in (height, width))
    return torch.matmul(torch.matmul(rows, pictures), columns.T)


def _weights(length: Tensor, size: int, smooth: Tensor, boxes: Tensor) -> Tensor:
    """What each of ``length`` samples adds to each of ``size``: [size, length], rows that sum to 1.

    ``smooth``: triangles as wide as a reduction asks for, else bilinear interpolation; ``boxes``: means of whole
    numbers of samples.
    """
    scale = length.float() / size
    centres = (torch.arange(size) + 0.5)[:, None] * scale
    samples = torch.arange(length)[None, :] + 0.5
    # Interpolation repeats the border; the triangles leave out what lies beyond it.
    inside = torch.minimum(centres.clamp(min=0.5), length.float() - 0.5)
    distance = (samples - torch.where(smooth, centres, inside)).abs()
    triangles = F.relu(1 - distance / torch.where(smooth, scale, torch.ones_like(scale)))
    weights = torch.where(boxes, (distance < scale / 2).float(), triangles)
    return weights / weights.sum(1, keepdim=True)

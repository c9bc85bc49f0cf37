"""Small building blocks shared by the networks.

No normalisation layers: nothing to fold, and no batch statistics.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """x + conv(act(conv(act(x)))), the last convolution starting at zero so that depth does not disturb the start of
    training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class Down(nn.Module):
    """Halve the size with a strided 3x3 convolution: [B, in, H, W] -> [B, out, H/2, W/2]."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))


class Up(nn.Module):
    """Double the size (bilinear), add the projected skip: [B, in, H, W] -> [B, out, 2H, 2W]."""

    def __init__(self, in_channels: int, out_channels: int, skip_channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(in_channels, out_channels, 1)
        self.skip = nn.Conv2d(skip_channels, out_channels, 1)
        self.conv = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(self.project(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return F.relu(self.conv(F.relu(x + self.skip(skip))))


def both(a: nn.Conv2d, b: nn.Conv2d, x: Tensor) -> tuple[Tensor, Tensor]:
    """(a(x), b(x)) of two 3x3 convolutions, as one: each alone is too narrow to keep an engine busy.

    Its channels are filled up with zeros to a multiple of 8, the width that engines compute at once.
    """
    wide = -(a.out_channels + b.out_channels) % 8
    weight = torch.cat((a.weight, b.weight, a.weight.new_zeros(wide, *a.weight.shape[1:])))
    bias = torch.cat((a.bias, b.bias, a.bias.new_zeros(wide)))
    found = F.conv2d(x, weight, bias, padding=1)
    return found[:, : a.out_channels], found[:, a.out_channels : a.out_channels + b.out_channels]


def pick(points: Tensor, indices: Sequence[int]) -> Tensor:
    """The points of ``indices``: [B, K, 2] -> [B, N, 2].

    Slices, not indexing by a list: that is a gather of many kinds in exported graphs, and some engines have none.
    """
    return torch.cat([points[:, index : index + 1] for index in indices], dim=1)


def picture_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Sample centres of a picture in normalised coordinates, x then y: [height, width, 2], -1..1, on the device of
    ``like``."""
    y = (torch.arange(height, device=like.device, dtype=like.dtype) * 2 + 1) / height - 1
    x = (torch.arange(width, device=like.device, dtype=like.dtype) * 2 + 1) / width - 1
    return torch.stack((x[None, :].expand(height, width), y[:, None].expand(height, width)), dim=-1)


def soft_argmax(logits: Tensor) -> Tensor:
    """Expected position of softmax(logits): [B, K, H, W] -> [B, K, 2], normalised x, y."""
    height, width = logits.shape[-2:]
    weights = torch.softmax(logits.float().flatten(2), dim=2).unflatten(2, (height, width))
    grid = picture_grid(height, width, weights)
    return torch.stack(((weights.sum(2) * grid[0, :, 0]).sum(2), (weights.sum(3) * grid[:, 0, 1]).sum(2)), dim=-1)


def gaussian_maps(points: Tensor, size: int, sigma: float) -> Tensor:
    """Gaussian bumps exp(-d^2 / 2 sigma^2) at ``points`` [B, K, 2] on a size x size grid: [B, K, size, size]."""
    axis = (torch.arange(size, device=points.device, dtype=points.dtype) * 2 + 1) / size - 1
    scale = -0.5 / sigma**2
    gx = torch.exp(scale * (axis - points[..., 0:1]) ** 2)
    gy = torch.exp(scale * (axis - points[..., 1:2]) ** 2)
    return gy[..., :, None] * gx[..., None, :]


def warp(source: Tensor, grid: Tensor, mode: str = "bilinear") -> Tensor:
    """Sample ``source`` [B, C, h, w] at normalised positions ``grid`` [B, H, W, 2]: [B, C, H, W], border repeated.

    ``mode`` is `bilinear` or `bicubic`, which keeps more of the fine detail and costs twice as much.
    """
    return F.grid_sample(source, grid, mode=mode, padding_mode="border", align_corners=False)


def resize_grid(grid: Tensor, height: int, width: int) -> Tensor:
    """Resize a sampling grid [B, h, w, 2] to [B, height, width, 2]; the offset from identity is what is
    interpolated."""
    if grid.shape[1] == height and grid.shape[2] == width:
        return grid
    offset = (grid - picture_grid(grid.shape[1], grid.shape[2], grid)).permute(0, 3, 1, 2)
    offset = F.interpolate(offset, size=(height, width), mode="bilinear", align_corners=False)
    return offset.permute(0, 2, 3, 1) + picture_grid(height, width, grid)

"""Motion for stills: a second picture of a portrait, warped from the first one.

Stills show far more people than clips do. Their second picture turns, scales and bends a little as a whole, and lips
and lids are pulled apart or together; what a real mouth shows when it opens, only clips can teach.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..models.blocks import gaussian_maps, picture_grid
from ..models.points import index_of

# Regions that open and close: the points in whose middle they lie, how wide they are, and how much they may stretch.
_REGIONS = (
    (index_of("upper_lip", "lower_lip"), 0.10, 0.5),
    (index_of("right_lid_upper", "right_lid_lower"), 0.05, 0.6),
    (index_of("left_lid_upper", "left_lid_lower"), 0.05, 0.6),
)
_BEND = 0.04


def random_field(marks: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A smooth displacement field [B, size, size, 2]: what is at z comes from z + field(z).

    ``marks`` [B, E, 2] are those of the pictures; where they are unknown (NaN) lips and lids stay as they are.
    """
    count = len(marks)
    # A grid of 4x4 control points, bicubic in between: a thin plate pushed here and there.
    control = (torch.rand(count, 2, 4, 4, generator=generator) * 2 - 1) * _BEND
    field = F.interpolate(control, size=(size, size), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    grid = picture_grid(size, size, marks)
    lids = torch.rand(count, generator=generator) * 2 - 1
    for index, (points, width, stretch) in enumerate(_REGIONS):
        centre = marks[:, list(points)].mean(1, keepdim=True)
        amount = torch.rand(count, generator=generator) * 2 - 1 if index == 0 else lids
        amount = torch.where(torch.isfinite(centre).all(2).all(1), amount * stretch, 0.0)
        centre = centre.nan_to_num(9.0)
        bump = gaussian_maps(centre, size, width)[:, 0]
        vertical = amount[:, None, None] * bump * (grid[..., 1] - centre[:, :, 1:])
        field = field + torch.stack((torch.zeros_like(vertical), vertical), dim=-1)
    return field


def apply_field(pictures: Tensor, field: Tensor) -> Tensor:
    """Pictures [B, 3, S, S] warped by a field [B, S, S, 2]."""
    size = pictures.shape[-1]
    grid = picture_grid(size, size, pictures) + field.to(pictures)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def move_points(points: Tensor, field: Tensor) -> Tensor:
    """Where points [B, K, 2] lie after `apply_field`: the field's inverse, by fixed-point iteration."""
    channels = field.permute(0, 3, 1, 2)
    moved = points
    for _ in range(4):
        at = moved.nan_to_num(0.0)[:, :, None]
        offset = F.grid_sample(channels, at, mode="bilinear", padding_mode="border", align_corners=False)
        moved = points - offset[..., 0].permute(0, 2, 1)
    return moved

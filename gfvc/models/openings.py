"""What opens between lips and lids: there the key picture has nothing to show."""

from __future__ import annotations

import torch
from torch import Tensor

from .blocks import picture_grid
from .points import index_of

_MOUTH = index_of("upper_lip", "lower_lip", "mouth_right", "mouth_left")
_EYES = tuple(
    index_of(f"{side}_lid_upper", f"{side}_lid_lower", "right_iris", "left_iris") for side in ("right", "left")
)
# Half widths of what opens, as shares of the way between the corners of the mouth, and between the eyes.
_MOUTH_WIDTH, _EYE_WIDTH = 0.4, 0.2
# Less than a sample of 256 further open than in the key picture is no opening, three more are a whole one.
_FROM, _TO = 0.008, 0.032
# How soft the border is: half a sample of 256.
_SOFT = 0.004


def _opening(source: Tensor, driving: Tensor, grid: Tensor, points: tuple[int, ...], width: float) -> Tensor:
    """Of one pair of lips or lids, [B, H, W]: an ellipse between them as high as they are apart."""
    upper, lower, right, left = points
    apart, before = ((at[:, lower] - at[:, upper]).square().sum(-1).add(1e-8).sqrt() for at in (driving, source))
    gate = ((apart - before - _FROM) / (_TO - _FROM)).clamp(0, 1)
    along = driving[:, left] - driving[:, right]
    length = along.square().sum(-1).add(1e-8).sqrt()
    along = (along / length[:, None])[:, None, None]
    offset = grid[None] - (0.5 * (driving[:, lower] + driving[:, upper]))[:, None, None]
    across = torch.stack((-along[..., 1], along[..., 0]), dim=-1)
    x = (offset * along).sum(-1) / (width * length + 1e-3)[:, None, None]
    half = (0.5 * apart + 1e-3)[:, None, None]
    y = (offset * across).sum(-1) / half
    inside = (1 - (x.square() + y.square() + 1e-8).sqrt()) * half
    return gate[:, None, None] * torch.sigmoid(inside / _SOFT)


def openings(source: Tensor, driving: Tensor, height: int, width: int) -> Tensor:
    """How much of each sample lies in a mouth or an eye that is further open than in the key picture: [B, 1, height,
    width], 0..1, from the key points [B, K, 2] of key and driving picture."""
    grid = picture_grid(height, width, driving)
    found = _opening(source, driving, grid, _MOUTH, _MOUTH_WIDTH)
    for points in _EYES:
        found = found + _opening(source, driving, grid, points, _EYE_WIDTH)
    return found[:, None]

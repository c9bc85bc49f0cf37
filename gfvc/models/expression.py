"""What mouth and eyes do, as maps: the distances that matter are two or three cells of the motion's grid wide, too
little to be read off the bumps at the points."""

from __future__ import annotations

import torch
from torch import Tensor

from .blocks import gaussian_maps, pick
from .points import index_of

EXPRESSION_MAPS = 8
_LIPS = index_of("upper_lip", "lower_lip")
_CORNERS = index_of("mouth_right", "mouth_left")
_EYES = tuple(index_of(f"{side}_lid_upper", f"{side}_lid_lower", f"{side}_iris") for side in ("right", "left"))
# Brings the values near 1: lips and lids are a tenth of the picture apart or less.
_SCALE = 10.0


def _between(points: Tensor, a: int, b: int) -> Tensor:
    return (points[:, a] - points[:, b]).norm(dim=-1)


def expression_maps(source: Tensor, driving: Tensor, size: int) -> Tensor:
    """Maps [B, 8, size, size] from the points [B, K, 2] of key and driving picture.

    Around the driving mouth: its opening and width in the key and in the driving picture; around the driving eyes:
    opening in both, and the iris' way from the one to the other, against its lids.
    """
    centre = pick(driving, (*_LIPS, *_CORNERS)).mean(1, keepdim=True)
    mouth = torch.stack([_between(points, *pair) for pair in (_LIPS, _CORNERS) for points in (source, driving)], dim=1)
    maps = [gaussian_maps(centre, size, 0.14) * (_SCALE * mouth)[..., None, None]]
    eyes = 0
    for upper, lower, iris in _EYES:
        centre = pick(driving, (upper, lower)).mean(1, keepdim=True)
        gaze = [points[:, iris] - pick(points, (upper, lower)).mean(1) for points in (source, driving)]
        openings = torch.stack((_between(source, upper, lower), _between(driving, upper, lower)), dim=1)
        values = torch.cat((openings, gaze[1] - gaze[0]), dim=1)
        eyes = eyes + gaussian_maps(centre, size, 0.08) * (_SCALE * values)[..., None, None]
    return torch.cat((*maps, eyes), dim=1)

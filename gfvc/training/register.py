"""Registration in training: the points of driving pictures as an encoder fits them to the key picture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..models.point_map import PointMap
from ..models.portrait import PortraitSynthesis
from ..registration import Registration


def _bytes(pictures: Tensor) -> np.ndarray:
    """[B, 3, H, W], 0..1 -> uint8 [B, H, W, 3]."""
    return (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


@torch.no_grad()
def registrations(synthesis: PortraitSynthesis, keys: Tensor, points: Tensor) -> list[Registration]:
    """One for each key picture [B, 3, H, W] and its points [B, K, 2]."""
    masks = torch.sigmoid(synthesis.person(keys).mask)[:, 0].cpu().numpy()
    sources = points.flatten(1).float().cpu().numpy()
    return [Registration(*key, PointMap()) for key in zip(_bytes(keys), masks, sources, strict=True)]


def register(synthesis: PortraitSynthesis, keys: Tensor, key_points: Tensor, driving: Tensor, points: Tensor) -> Tensor:
    """Points [B, K, 2] of driving pictures [B, 3, H, W] against key pictures of that size, from ``points``."""
    starts = points.flatten(1).float().cpu().numpy()
    found = [
        registration.fit(picture, start).parameters
        for registration, picture, start in zip(
            registrations(synthesis, keys, key_points), _bytes(driving), starts, strict=True
        )
    ]
    return torch.from_numpy(np.stack(found)).to(points).unflatten(1, (-1, 2))

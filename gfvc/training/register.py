"""Registration in training: points and modes of driving pictures as an encoder fits them to the key picture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..models.groups import MODE_COUNT
from ..models.mode_map import ModeMap
from ..models.point_map import PointMap
from ..models.points import POINT_COUNT
from ..models.portrait import PortraitSynthesis
from ..registration import Registration


def _bytes(pictures: Tensor) -> np.ndarray:
    """[B, 3, H, W], 0..1 -> uint8 [B, H, W, 3]."""
    return (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


@torch.no_grad()
def registrations(synthesis: PortraitSynthesis, keys: Tensor, points: Tensor) -> list[Registration]:
    """One for each key picture [B, 3, H, W] and its points [B, K, 2]; of points alone, or with the synthesis' modes."""
    masks = torch.sigmoid(synthesis.person(keys).mask)[:, 0].cpu().numpy()
    sources = points.flatten(1).float().cpu().numpy()
    modes = None if synthesis.modes is None else ModeMap(synthesis.modes.basis.detach().float().cpu().numpy())
    return [Registration(*key, PointMap(), modes=modes) for key in zip(_bytes(keys), masks, sources, strict=True)]


def start_values(synthesis: PortraitSynthesis, points: Tensor) -> np.ndarray:
    """What a registration starts from: points [B, K, 2], and modes that move nothing, where there are any: [B, n]."""
    values = points.flatten(1).float()
    if synthesis.modes is not None:
        values = torch.cat((values, values.new_zeros(len(values), MODE_COUNT)), dim=1)
    return values.cpu().numpy()


def register(
    synthesis: PortraitSynthesis, keys: Tensor, key_points: Tensor, driving: Tensor, points: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Points [B, K, 2] and values of the modes [B, M], where there are any, of driving pictures [B, 3, H, W] against
    key pictures of that size, from ``points``."""
    starts = start_values(synthesis, points)
    found = [
        registration.fit(picture, start).parameters
        for registration, picture, start in zip(
            registrations(synthesis, keys, key_points), _bytes(driving), starts, strict=True
        )
    ]
    fitted = torch.from_numpy(np.stack(found)).to(points)
    modes = None if synthesis.modes is None else fitted[:, 2 * POINT_COUNT :]
    return fitted[:, : 2 * POINT_COUNT].unflatten(1, (-1, 2)), modes

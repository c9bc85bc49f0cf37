"""The motion of the whole picture from that of the key points."""

from __future__ import annotations

import torch
from torch import Tensor

from .field_shape import NECK, POINT_NOISE, REACH, SLOPE, STILL
from .points import index_of

_CHIN, _FOREHEAD, _RIGHT_SHOULDER, _LEFT_SHOULDER = index_of("chin", "forehead", "right_shoulder", "left_shoulder")
_NOISE_MATRIX = torch.diag(torch.tensor(POINT_NOISE))


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve for X in matrix X = right by Gauss-Jordan elimination: [B, N, N], [B, N, M] -> [B, N, M].

    For small symmetric positive definite matrices, which need no pivoting. Written out, because inference engines have
    no operator for it.
    """
    size = matrix.shape[-1]
    eye = torch.eye(size, device=matrix.device, dtype=matrix.dtype)
    work = torch.cat((matrix, right), dim=2)
    for index in range(size):
        row = work[:, index : index + 1] / work[:, index : index + 1, index : index + 1]
        work = work - (work[:, :, index : index + 1] - eye[:, index : index + 1]) * row
    return work[:, :, size:]


def _covariance(a: Tensor, b: Tensor) -> Tensor:
    """Between displacements at positions [B, N, 2] and [B, M, 2]: [B, N, M]."""
    distance = ((a[:, :, None] - b[:, None]).square().sum(-1) + 1e-9).sqrt()
    linear = (a[:, :, None] * b[:, None]).sum(-1)
    return torch.exp(distance / -REACH) + SLOPE * (1 + linear)


def _interpolated(source: Tensor, driving: Tensor, positions: Tensor) -> Tensor:
    """Displacements [B, N, 2] at positions [N, 2] from those of all points.

    Gaussian process regression (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equation 2.25)
    with an exponential covariance, for what bends, plus a linear one, for what turns and grows. Points of mouth and
    eyes are taken at their word, the others may be off by a little.
    """
    centre = driving.mean(1, keepdim=True)
    at = driving - centre
    weights = solve(_covariance(at, at) + _NOISE_MATRIX.to(at), source - driving)
    # Sums of products, not matrix products: autocast would run those in 16 bit, which is too coarse for positions.
    return (_covariance(positions[None] - centre, at)[..., None] * weights[:, None]).sum(2)


def _body(source: Tensor, driving: Tensor, positions: Tensor) -> Tensor:
    """Displacements [B, N, 2] of the body at positions [N, 2]: those of the shoulders, interpolated along the line
    between them, and up to `STILL` none."""
    moved = (source - driving)[:, _RIGHT_SHOULDER : _LEFT_SHOULDER + 1]
    moved = moved * ((moved.square().sum(-1, keepdim=True) + 1e-9).sqrt() / STILL - 1).clamp(0, 1)
    right = driving[:, _RIGHT_SHOULDER : _RIGHT_SHOULDER + 1]
    across = driving[:, _LEFT_SHOULDER : _LEFT_SHOULDER + 1] - right
    place = ((positions[None] - right) * across).sum(-1, keepdim=True) / (across.square().sum(-1, keepdim=True) + 1e-3)
    place = place.clamp(0, 1)
    return (1 - place) * moved[:, :1] + place * moved[:, 1:]


def motion_field(source: Tensor, driving: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Where positions [N, 2] of the driving picture come from in the key picture, [B, N, 2], and how much each belongs
    to the head, 0..1, [B, N, 1].

    ``source`` and ``driving`` [B, K, 2] are the key points of the two. Down to the chin all points have their say;
    from there on the shoulders take over: a body that rests below a moving head has to rest, and stays sharp.
    """
    chin, forehead = (driving[:, index : index + 1] for index in (_CHIN, _FOREHEAD))
    down = chin - forehead
    height = down.square().sum(-1, keepdim=True) + 1e-3
    below = ((positions[None] - chin) * down).sum(-1, keepdim=True) / height
    share = ((below - NECK[0]) / (NECK[1] - NECK[0])).clamp(0, 1)
    share = share * share * (3 - 2 * share)
    head, body = _interpolated(source, driving, positions), _body(source, driving, positions)
    return positions[None] + (1 - share) * head + share * body, 1 - share

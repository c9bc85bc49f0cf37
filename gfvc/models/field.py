"""The motion of the whole picture from that of the key points."""

from __future__ import annotations

import torch
from torch import Tensor

from .points import EYES_SLICE, MOUTH_SLICE, POINT_COUNT

# Chosen on held-out pictures by the error of the person moved so and of the background at rest: 22.6 dB, where splines
# of least bending give 22.1, and Gaussian or smoother covariances 21.9 to 22.5.
_REACH = 0.4
_SLOPE = 0.1
_NOISE, _FACE_NOISE = 0.05, 0.005


def _noise() -> Tensor:
    values = torch.full((POINT_COUNT,), _NOISE)
    values[MOUTH_SLICE] = _FACE_NOISE
    values[EYES_SLICE] = _FACE_NOISE
    return torch.diag(values)


_NOISE_MATRIX = _noise()


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
    return torch.exp(distance / -_REACH) + _SLOPE * (1 + linear)


def motion_field(source: Tensor, driving: Tensor, positions: Tensor) -> Tensor:
    """Where positions [N, 2] of the driving picture come from in the key picture: [B, N, 2].

    ``source`` and ``driving`` [B, K, 2] are the key points of the two. Their displacements are interpolated by Gaussian
    process regression (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equation 2.25) with an
    exponential covariance, for what bends, plus a linear one, for what turns and grows; far from all points
    everything is at rest. Points of mouth and eyes are taken at their word, the others may be off by a little.
    """
    centre = driving.mean(1, keepdim=True)
    at = driving - centre
    weights = solve(_covariance(at, at) + _NOISE_MATRIX.to(at), source - driving)
    positions = positions[None]
    # Sums of products, not matrix products: autocast would run those in 16 bit, which is too coarse for positions.
    return positions + (_covariance(positions - centre, at)[..., None] * weights[:, None]).sum(2)

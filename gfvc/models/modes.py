"""Modes of the head's motion: what the key points do not know of it.

The points turn and bend a head as a smooth sheet through a few places. How hair falls, how far nose and ears shift
against each other when a head turns, how a cheek moves: most of that is a sum of a few fields that all heads have in
common, found from many clips (`gfvc.training.modes`). Each is given on a square that moves, turns and grows with the
face; how much there is of each in a picture is what the encoder's registration finds and sends.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import warp
from .groups import MODE_COUNT
from .local import Frame, head_frame
from .mode_shape import BELOW, NODES, SPACING


class MotionModes(nn.Module):
    """basis: displacements at the nodes, to the right and down in the head, in sizes of the face: [16, 2, 13, 13]."""

    def __init__(self) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.zeros(MODE_COUNT, 2, NODES, NODES))

    def forward(self, values: Tensor, driving: Tensor, positions: Tensor) -> Tensor:
        """Displacements [B, h, w, 2] at positions [h, w, 2] of the driving picture, whose values are [B, 16] and key
        points [B, K, 2]."""
        centre, right, down = head_frame(driving)
        square = Frame(centre + BELOW * down, right, down)
        places = square.to_square(positions.view(1, -1, 2)).unflatten(1, positions.shape[:2])
        # Sums of products, not matrix products: autocast would run those in 16 bit, which is too coarse for positions.
        fields = (values[:, :, None] * torch.flatten(self.basis, 1)).sum(1).unflatten(1, (2, NODES, NODES))
        moved = warp(fields, places * (2 / (NODES * SPACING))).permute(0, 2, 3, 1)
        return moved[..., :1] * right[:, None] + moved[..., 1:] * down[:, None]

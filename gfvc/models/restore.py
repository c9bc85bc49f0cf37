"""Restoration of a decoded key picture: less of what its codec did to it, more of the detail it took away.

It runs once per key picture, so it may cost more than what runs for each picture; and what it restores is carried into
every picture of the group by the motion, so it restores without flicker.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import ResidualBlock


class Restoration(nn.Module):
    """[B, 3, H, W] -> [B, 3, H, W], both about 0..1; H and W even.

    It starts as the identity.
    """

    def __init__(self, width: int = 48, blocks: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(12, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.out = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.blocks(self.stem(F.pixel_unshuffle(pictures * 2 - 1, 2)))
        return pictures + F.pixel_shuffle(self.out(F.relu(x)), 2)

"""Analysis networks: picture -> facial parameters.

They see a 128x128 area-reduced picture, whatever the size of the original, and mouth and eyes from closer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import Down, ResidualBlock, Up, soft_argmax
from .code import FEATURE, Code
from .local import LocalRefinement
from .points import POINT_COUNT
from .resample import reduce_picture

ANALYSIS_SIZE = 128


class Trunk(nn.Module):
    """The way down: [B, 3, 128, 128] -> features at 32 (48 channels), 16 (80) and 8 (128)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(12, 32, 3, padding=1)
        self.down1, self.res1 = Down(32, 48), ResidualBlock(48)
        self.down2, self.res2 = Down(48, 80), ResidualBlock(80)
        self.down3, self.res3 = Down(80, 128), nn.Sequential(ResidualBlock(128), ResidualBlock(128))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        small = reduce_picture(pictures, ANALYSIS_SIZE) * 2 - 1
        at32 = self.res1(self.down1(F.relu(self.stem(F.pixel_unshuffle(small, 2)))))
        at16 = self.res2(self.down2(at32))
        return at32, at16, self.res3(self.down3(at16))


class KeypointAnalysis(nn.Module):
    """Key points of pictures [B, 3, H, W] in 0..1 -> [B, K, 2] in -1..1: all of them from the whole picture, then
    mouth and eyes from close up.

    The first are expected positions on 32x32 maps, which are far finer than that grid: maps of 64x64 took a quarter of
    this network's time for no measured gain.
    """

    def __init__(self, points: int = POINT_COUNT) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.up1, self.res1 = Up(128, 80, 80), ResidualBlock(80)
        self.up2, self.res2 = Up(80, 48, 48), ResidualBlock(48)
        self.head = nn.Conv2d(48, points, 3, padding=1)
        self.local = LocalRefinement()

    def forward(self, pictures: Tensor) -> Tensor:
        return self.refined(pictures)

    def refined(self, pictures: Tensor) -> Tensor:
        """The points, mouth and eyes from close up: [B, K, 2]."""
        return self.local(pictures, self.coarse(pictures))

    def coarse(self, pictures: Tensor) -> Tensor:
        """The points before refinement, [B, K, 2]."""
        at32, at16, at8 = self.trunk(pictures)
        x = self.res1(self.up1(at8, at16))
        x = self.res2(self.up2(x, at32))
        # The factor lets the soft maximum become sharp early in training.
        return soft_argmax(self.head(F.relu(x)) * 5.0)


class CompactAnalysis(KeypointAnalysis):
    """A 4x4 compact feature: pictures [B, 3, H, W] in 0..1 -> [B, 16], row by row.

    CFTE (Chen et al., DCC 2022) learns the feature from the picture. Here the key points come first, because they have
    labels, and the feature is a learned code of all of them.
    """

    def __init__(self, points: int = POINT_COUNT) -> None:
        super().__init__(points)
        self.encoder = Code(points * 2, FEATURE)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.encode(self.refined(pictures))

    def encode(self, points: Tensor) -> Tensor:
        """Key points [B, K, 2] -> the feature [B, 16]."""
        return self.encoder(torch.flatten(points, 1))

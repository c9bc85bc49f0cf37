"""What the decoder finds out once about a key picture: where the person is, and what may lie behind."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import Down, ResidualBlock, Up
from .fill import fill, spread
from .resample import reduce_picture

PERSON_SIZE = 128


class SmallUNet(nn.Module):
    """[B, inputs, 128, 128] -> [B, outputs, 128, 128], by way of 8x8."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(inputs * 4, 32, 3, padding=1)
        self.down1, self.res1 = Down(32, 48), ResidualBlock(48)
        self.down2, self.res2 = Down(48, 80), ResidualBlock(80)
        self.down3, self.res3 = Down(80, 128), nn.Sequential(ResidualBlock(128), ResidualBlock(128))
        self.up1, self.res4 = Up(128, 80, 80), ResidualBlock(80)
        self.up2, self.res5 = Up(80, 48, 48), ResidualBlock(48)
        self.up3 = Up(48, 32, 32)
        self.out = nn.Conv2d(32, outputs * 4, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        at64 = F.relu(self.stem(F.pixel_unshuffle(x, 2)))
        at32 = self.res1(self.down1(at64))
        at16 = self.res2(self.down2(at32))
        at8 = self.res3(self.down3(at16))
        x = self.res5(self.up2(self.res4(self.up1(at8, at16)), at32))
        return F.pixel_shuffle(self.out(self.up3(F.relu(x), at64)), 2)


class Person(NamedTuple):
    """mask: logits of where the person is, [B, 1, 128, 128]; behind: the picture without the person, 0..1,
    [B, 3, H, W]."""

    mask: Tensor
    behind: Tensor


class PersonNetwork(nn.Module):
    """Restored key pictures [B, 3, H, W], 0..1 -> `Person`.

    The place of the person is filled smoothly from around, and the fill is corrected by a network that may know better.
    """

    def __init__(self, fade: int = 0) -> None:
        """fade: samples of 128 over which the fill goes over into the picture, outside the person."""
        super().__init__()
        self.fade = fade
        self.find = SmallUNet(3, 1)
        self.correct = SmallUNet(7, 3)

    def forward(self, pictures: Tensor) -> Person:
        small = reduce_picture(pictures, PERSON_SIZE)
        mask = self.find(small * 2 - 1).float()
        share = torch.sigmoid(mask.detach())
        known = 1 - spread(share)
        filled = fill(small, known)
        seen = torch.cat((filled * 2 - 1, (small * 2 - 1) * known, known), dim=1)
        drawn = filled + 0.5 * self.correct(seen).float()
        # What may be either is no source of the fill, and is not filled.
        person = ((F.max_pool2d(share, 3 + 2 * self.fade, 1, 1 + self.fade) - 0.4) * 5).clamp(0, 1)
        if self.fade:
            # An edge between the fill and what is known would be seen as a contour around a head that has moved.
            person = F.avg_pool2d(person, 1 + 2 * self.fade, 1, self.fade, count_include_pad=False)
        height, width = pictures.shape[-2:]
        large = F.interpolate(torch.cat((drawn, person), 1), size=(height, width), mode="bilinear", align_corners=False)
        person = large[:, 3:]
        return Person(mask, (person * large[:, :3] + (1 - person) * pictures).clamp(0, 1))

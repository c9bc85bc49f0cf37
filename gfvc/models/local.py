"""A closer look at mouth and eyes.

Lips and lids move by a few pixels of a 128x128 picture, and a network that sees the whole head at that size answers
with the mean of what it cannot tell. Cut out at 256, upright and at one scale, they look alike in all heads; so their
points are found again there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import Down, ResidualBlock, Up, pick, picture_grid, soft_argmax, warp
from .points import MIRROR, index_of
from .resample import reduce_picture

SOURCE_SIZE = 256
CROP_SIZE = 64
_MOUTH = index_of("mouth_right", "mouth_left", "upper_lip", "lower_lip")
_RIGHT_EYE = index_of("right_lid_upper", "right_lid_lower", "right_iris", "right_brow")
_LEFT_EYE = tuple(MIRROR[index] for index in _RIGHT_EYE)
_DOWN, _ACROSS = index_of("forehead", "chin"), index_of("right_side", "left_side")


class Frame(NamedTuple):
    """A turned square in the picture, in normalised coordinates [B, 1, 2]: its centre, and the ways from there to the
    middle of its right and of its lower edge."""

    centre: Tensor
    right: Tensor
    down: Tensor

    def to_picture(self, points: Tensor) -> Tensor:
        """From coordinates of the square, -1..1, to those of the picture: [B, N, 2]."""
        return self.centre + points[..., :1] * self.right + points[..., 1:] * self.down

    def to_square(self, points: Tensor) -> Tensor:
        """The converse: [B, N, 2]."""
        offset = points - self.centre
        return torch.cat(((offset * self.right).sum(-1, True), (offset * self.down).sum(-1, True)), dim=-1) / (
            (self.down * self.down).sum(-1, True)
        )


class Region(NamedTuple):
    """Which points a square shows, which of these are the upper and the lower lip or lid, the square's half side in
    units of the face's size, and whether it is shown mirrored."""

    points: tuple[int, ...]
    gap: tuple[int, int]
    half_side: float
    mirrored: bool


MOUTH_REGION = Region(_MOUTH, (2, 3), 0.32, False)
EYE_REGIONS = (Region(_RIGHT_EYE, (0, 1), 0.2, False), Region(_LEFT_EYE, (0, 1), 0.2, True))
REGIONS = (MOUTH_REGION, *EYE_REGIONS)


def region_frame(points: Tensor, region: Region) -> Frame:
    """The square of a region, from all points [B, K, 2]: upright in the head, centred on the region's own points."""
    _, right, down = head_frame(points)
    right, down = right * region.half_side, down * region.half_side
    centre = pick(points, region.points).mean(1, keepdim=True)
    return Frame(centre, -right if region.mirrored else right, down)


def head_frame(points: Tensor) -> Frame:
    """The square of the whole head, upright in it, with half a side as long as the face, from all points [B, K, 2].

    The face's size is the mean of its height and width, of which a turn of the head shortens one only.
    """
    down = pick(points, _DOWN[1:]) - pick(points, _DOWN[:1])
    across = pick(points, _ACROSS[1:]) - pick(points, _ACROSS[:1])
    height = down.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    size = 0.5 * (height + across.norm(dim=-1, keepdim=True)).clamp(min=0.1)
    down = down / height * size
    centre = pick(points, (*_DOWN, *_ACROSS)).mean(1, keepdim=True)
    return Frame(centre, torch.cat((down[..., 1:], -down[..., :1]), dim=-1), down)


def opening(points: Tensor, gap: tuple[int, int]) -> Tensor:
    """How far the two points of ``gap`` are apart, downwards: [B], from points [B, N, 2] of a square."""
    upper, lower = gap
    return points[:, lower, 1] - points[:, upper, 1]


def cut(pictures: Tensor, frame: Frame) -> Tensor:
    """The squares of ``frame`` in pictures [B, 3, S, S]: [B, 3, 64, 64]."""
    grid = picture_grid(CROP_SIZE, CROP_SIZE, frame.centre).view(1, -1, 2)
    return warp(pictures, frame.to_picture(grid).unflatten(1, (CROP_SIZE, CROP_SIZE)).to(pictures.dtype))


class LocalPoints(nn.Module):
    """Points in a square: [B, 3, 64, 64] in 0..1 -> [B, N, 2], -1..1 across the square and a little beyond."""

    def __init__(self, points: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(12, 24, 3, padding=1)
        self.down1, self.down2 = Down(24, 48), Down(48, 96)
        self.res = nn.Sequential(ResidualBlock(96), ResidualBlock(96))
        self.up = Up(96, 48, 48)
        self.head = nn.Conv2d(48, points, 3, padding=1)

    def forward(self, squares: Tensor) -> Tensor:
        return self.look(squares)[0]

    def look(self, squares: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The points, and the features on the way to them, at sizes 32, 16 and 8."""
        # Light and skin differ, edges do not.
        mean = squares.mean((1, 2, 3), keepdim=True)
        deviation = (squares - mean).square().mean((1, 2, 3), keepdim=True).sqrt()
        at32 = F.relu(self.stem(F.pixel_unshuffle((squares - mean) / (deviation + 0.05), 2)))
        at16 = self.down1(at32)
        at8 = self.res(self.down2(at16))
        return 1.25 * soft_argmax(self.head(self.up(at8, at16)) * 5.0), [at32, at16, at8]


class LocalRefinement(nn.Module):
    """Replaces the points of mouth and eyes; one network sees both eyes, the left one mirrored."""

    def __init__(self) -> None:
        super().__init__()
        self.mouth = LocalPoints(len(_MOUTH))
        self.eye = LocalPoints(len(_RIGHT_EYE))

    def forward(self, pictures: Tensor, points: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in 0..1 and their points [B, K, 2] -> better points [B, K, 2]."""
        # Put together from slices: every engine has those, and not all can write into the middle of a tensor.
        refined = list(points.split(1, dim=1))
        for region, frame, found in self.look(pictures, points):
            better = frame.to_picture(found).to(points.dtype).split(1, dim=1)
            for index, point in zip(region.points, better, strict=True):
                refined[index] = point
        return torch.cat(refined, dim=1)

    def look(self, pictures: Tensor, points: Tensor) -> list[tuple[Region, Frame, Tensor]]:
        """Each region, its square and the points found there, [B, N, 2] in the square's coordinates."""
        source = reduce_picture(pictures, SOURCE_SIZE)
        frames = [region_frame(points, region) for region in REGIONS]
        squares = [cut(source, frame) for frame in frames]
        found = (self.mouth(squares[0]), *(self.eye(square) for square in squares[1:]))
        return list(zip(REGIONS, frames, found, strict=True))

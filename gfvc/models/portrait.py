"""Synthesis of a person before a background: the person moves, what is behind rests, the network mends the rest.

Most of a picture needs no learning once the key points cover head, hair and shoulders: they move the person
(`field`), whom a mask tells from what is behind (`person`). The network corrects that motion, decides about the
borders, and draws what neither has: the inside of a mouth, closed lids, the side of a head. So it can be small, and
what does not move is the same picture after picture.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import Down, ResidualBlock, Up, both, gaussian_maps, picture_grid, resize_grid, warp
from .expression import EXPRESSION_MAPS, expression_maps
from .field import motion_field
from .layered import Layers, RestoringSynthesis, compose, last_layers
from .openings import openings
from .person import PersonNetwork
from .points import POINT_COUNT
from .resample import reduce_picture
from .restore import Restoration

MOTION_SIZE = 64
# The field is smooth: more positions would cost time and show nothing.
FIELD_SIZE = 32
# Generated content is soft: a little of it everywhere is 0.15 dB nearer to the original, for a fifth of the detail.
_LEAST_SHARE = 0.2


class PortraitState(NamedTuple):
    """What is computed once a group.

    picture: the restored key picture, [B, 3, H, W]; behind: the same without the person; mask: where the person is,
    0..1, [B, 1, 128, 128]; seen: small key picture and small mask, [B, 4, 64, 64]; half, quarter: features that move
    with the person, [B, 8, h/2, w/2] and [B, 24, h/4, w/4], h and w the inner size or else H and W; still: features
    that stay, [B, 12, h/4, w/4]; points: key points, [B, K, 2].
    """

    picture: Tensor
    behind: Tensor
    mask: Tensor
    seen: Tensor
    half: Tensor
    quarter: Tensor
    still: Tensor
    points: Tensor


class MotionNetwork(nn.Module):
    """What the field of the key points does not know: corrections of the motion, and features for the synthesis."""

    def __init__(self, features: int = 24) -> None:
        super().__init__()
        inputs = POINT_COUNT + EXPRESSION_MAPS + 8
        self.down1 = Down(inputs, 40)
        self.down2 = Down(40, 56)
        self.down3, self.res3 = Down(56, 80), ResidualBlock(80)
        self.up1, self.res1 = Up(80, 56, 56), ResidualBlock(56)
        self.up2, self.res2 = Up(56, 40, 40), ResidualBlock(40)
        self.up3 = Up(40, features, inputs)
        self.correction = nn.Conv2d(features, 2, 3, padding=1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps [B, 38, 64, 64] -> correction [B, 64, 64, 2], in the picture's coordinates, and features
        [B, 24, 64, 64]."""
        at32 = self.down1(x)
        at16 = self.down2(at32)
        at8 = self.res3(self.down3(at16))
        features = self.up3(self.res2(self.up2(self.res1(self.up1(at8, at16)), at32)), x)
        return 0.1 * self.correction(features).float().permute(0, 2, 3, 1), features


class PortraitSynthesis(RestoringSynthesis):
    """The synthesis of generation 3."""

    def __init__(self, width: int = 32, half_width: int = 16, inner_size: int | None = None, fade: int = 0) -> None:
        """inner_size: side of the square that all networks see, of pictures of any size; None: the pictures' own.

        fade: of `PersonNetwork`.
        """
        super().__init__()
        self.inner_size = inner_size
        key_width, quarter, half, still, features = 64, 24, 8, 12, 24
        self.least_share, self.sampling = _LEAST_SHARE, "bicubic"
        self.restore = Restoration()
        self.person = PersonNetwork(fade)
        self.stem = nn.Conv2d(12, 32, 3, padding=1)
        self.half_out = nn.Conv2d(32, half, 1)
        self.down = Down(32, key_width)
        self.encode = nn.Sequential(ResidualBlock(key_width), ResidualBlock(key_width))
        self.quarter_out = nn.Conv2d(key_width, quarter, 1)
        self.still_out = nn.Conv2d(key_width, still, 1)
        self.motion = MotionNetwork(features)
        self.fuse = nn.Conv2d(quarter + features + EXPRESSION_MAPS + 2 + still, width, 3, padding=1)
        self.blocks = nn.Sequential(ResidualBlock(width), ResidualBlock(width))
        self.to_half = nn.Conv2d(width, half_width * 4, 3, padding=1)
        self.fuse_half = nn.Conv2d(half_width + half + 1, half_width, 3, padding=1)
        # Colour of what opens, against what is generated elsewhere: it begins darker.
        self.inside = nn.Parameter(torch.full((3,), -0.15))
        self.to_flow, self.to_picture = last_layers(half_width)
        self.modes: nn.Module | None = None

    def prepare_restored(self, picture: Tensor, points: Tensor) -> PortraitState:
        person = self.person(picture)
        mask = torch.sigmoid(person.mask)
        small = torch.cat((reduce_picture(picture, MOTION_SIZE) * 2 - 1, F.avg_pool2d(mask, 2)), dim=1)
        inner = picture if self.inner_size is None else reduce_picture(picture, self.inner_size)
        half = F.relu(self.stem(F.pixel_unshuffle(inner * 2 - 1, 2)))
        quarter = self.encode(self.down(half))
        return PortraitState(
            picture,
            person.behind,
            mask,
            small,
            self.half_out(half),
            self.quarter_out(quarter),
            self.still_out(quarter),
            points,
        )

    def carried(self, state: PortraitState, grid: Tensor) -> Tensor:
        """The key picture, moved: [B, 3, H, W] at positions [B, H, W, 2]."""
        return warp(state.picture, grid, self.sampling)

    def layers(self, state: PortraitState, driving: Tensor, modes: Tensor | None = None) -> Layers:
        """The shares are those of generated content, person and what is behind. modes: their values [B, 16], for a
        synthesis that has them."""
        height, width = state.half.shape[-2:]
        positions = picture_grid(FIELD_SIZE, FIELD_SIZE, driving)
        field = motion_field(state.points, driving, positions.view(-1, 2))
        grid, head = (x.unflatten(1, (FIELD_SIZE, FIELD_SIZE)) for x in field)
        if modes is not None:
            grid = grid + head * self.modes(modes, driving, positions)
        grid = resize_grid(grid, MOTION_SIZE, MOTION_SIZE)
        head = F.interpolate(
            head.permute(0, 3, 1, 2), size=(MOTION_SIZE, MOTION_SIZE), mode="bilinear", align_corners=False
        ).permute(0, 2, 3, 1)
        moved = warp(state.seen.float(), grid)
        expression = expression_maps(state.points, driving, MOTION_SIZE)
        bumps = gaussian_maps(driving, MOTION_SIZE, 0.1) - gaussian_maps(state.points, MOTION_SIZE, 0.1)
        correction, features = self.motion(torch.cat((bumps, expression, state.seen, moved), dim=1))
        # What rests below a moving head must not tremble with it.
        grid = grid + head * correction
        features = torch.cat((features, expression, state.seen[:, 3:], moved[:, 3:]), dim=1)
        if features.shape[-2:] != (height // 2, width // 2):
            features = F.interpolate(features, size=(height // 2, width // 2), mode="bilinear", align_corners=False)
        quarter = warp(state.quarter.float(), resize_grid(grid, height // 2, width // 2))
        x = self.blocks(self.fuse(torch.cat((quarter, features, state.still), dim=1)))
        x = F.pixel_shuffle(F.relu(self.to_half(F.relu(x))), 2)
        grid = resize_grid(grid, height, width)
        # Where the person is now: the prior of the mix.
        person = warp(state.mask, grid)
        half = warp(state.half.float(), grid)
        opened = openings(state.points, driving, height, width)
        x = F.relu(self.fuse_half(torch.cat((x, half, opened), dim=1)))
        flow, x = both(self.to_flow, self.to_picture, x)
        # Lids and lips are finer than the motion's grid.
        head = F.interpolate(head.permute(0, 3, 1, 2), size=(height, width), mode="bilinear", align_corners=False)
        grid = grid + 0.05 * (head * flow.float()).permute(0, 2, 3, 1)
        # From here on in the size of the picture.
        height, width = state.picture.shape[-2:]
        moved = self.carried(state, resize_grid(grid, height, width))
        x = F.pixel_shuffle(x, 2).float()
        if x.shape[-2:] != (height, width):
            x = F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
        person, opened = (
            F.interpolate(part, size=(height, width), mode="bilinear", align_corners=False) for part in (person, opened)
        )
        certain = 8 * person - 4
        logits = torch.cat((10 * opened - 1, x[:, 3:4] + certain, x[:, 4:] - certain), dim=1)
        new = x[:, :3] + 0.5 + opened * self.inside[:, None, None]
        return compose(logits, new, moved, state.behind, self.least_share)

"""Synthesis in layers: what lies still, what moves, and what the key picture does not show.

Each pixel is a mix of three: the key picture where it is (background), the key picture moved (head and body), and
generated content. The mix is learned, and made hard: a share under a twentieth is none. So what lies still is carried
over unchanged, picture after picture, and straight lines behind a moving head stay straight.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import Down, ResidualBlock, both, resize_grid, warp
from .expression import EXPRESSION_MAPS
from .resample import reduce_picture
from .restore import Restoration
from .synthesis import MOTION_SIZE, DenseMotion

# Shares of the mix below this one are none.
LEAST_SHARE = 0.05
# Bound of the mix' logits: without one, a layer that is never chosen gets no gradient, and its network runs away.
_LOGIT_BOUND = 6.0


class LayeredState(NamedTuple):
    """What is computed once a group: the restored key picture, its small form, its feature maps and its key points.

    still: features that stay where they are.
    """

    picture: Tensor
    small: Tensor
    half: Tensor
    quarter: Tensor
    still: Tensor
    points: Tensor


class Layers(NamedTuple):
    """A generated picture [B, 3, H, W], not clipped, and what training looks at besides.

    new: generated content alone; carried: mix of key picture at rest and moved alone; shares: of generated, moved and
    resting, before they are made hard, [B, 3, H, W].
    """

    picture: Tensor
    new: Tensor
    carried: Tensor
    shares: Tensor


def hard_shares(shares: Tensor, least: float = LEAST_SHARE) -> Tensor:
    """Shares [B, 3, H, W] that sum to 1 -> the same with those under ``least`` set to none.

    Gradients pass as if nothing had been done: a pixel that is wholly of one layer can still change its mind.
    """
    hard = F.relu(shares - least)
    hard = hard / hard.sum(1, keepdim=True)
    return shares + (hard - shares).detach() if shares.requires_grad else hard


def compose(logits: Tensor, new: Tensor, moved: Tensor, still: Tensor, least_share: float) -> Layers:
    """Mix generated, moved and resting content, each [B, 3, H, W], by the logits [B, 3, H, W] of their shares."""
    shares = torch.softmax(_LOGIT_BOUND * torch.tanh(logits / _LOGIT_BOUND), dim=1)
    generate, move, rest = hard_shares(shares, least_share).split(1, dim=1)
    picture = generate * new + move * moved + rest * still
    carried = shares[:, 1:2] * moved + shares[:, 2:] * still
    return Layers(picture, new, carried / shares[:, 1:].sum(1, keepdim=True).clamp(min=1e-3), shares)


def last_layers(width: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Convolutions from features at half size to a fine correction of the motion, at first none, and to generated
    content and the mix, at full size in blocks of 2x2."""
    to_flow, to_picture = nn.Conv2d(width, 2, 3, padding=1), nn.Conv2d(width, 5 * 4, 3, padding=1)
    nn.init.zeros_(to_flow.weight)
    nn.init.normal_(to_picture.weight, std=0.01)
    for layer in (to_flow, to_picture):
        nn.init.zeros_(layer.bias)
    return to_flow, to_picture


class RestoringSynthesis(nn.Module):
    """`prepare` once per key picture, `generate` once per driving picture.

    Pictures are [B, 3, H, W], 0..1, H and W multiples of 4.
    """

    restore: Restoration

    def prepare(self, picture: Tensor, points: Tensor) -> NamedTuple:
        """From a decoded key picture and its key points [B, K, 2]."""
        return self.prepare_restored(self.restore(picture).clamp(0, 1), points)

    def prepare_restored(self, picture: Tensor, points: Tensor) -> NamedTuple:
        """From a key picture that needs no restoration."""
        raise TypeError(f"{type(self).__name__} does not define prepare_restored()")

    def generate(self, state: NamedTuple, driving: Tensor) -> Tensor:
        """Generated picture [B, 3, H, W], not clipped, from driving points [B, K, 2]."""
        return self.layers(state, driving).picture

    def layers(self, state: NamedTuple, driving: Tensor) -> Layers:
        """As `generate`, with what training needs."""
        raise TypeError(f"{type(self).__name__} does not define layers()")


class LayeredSynthesis(RestoringSynthesis):
    """The synthesis of generation 2."""

    def __init__(self, width: int = 64, half_width: int = 32, warped_half: int = 16, blocks: int = 3) -> None:
        super().__init__()
        still_width = 16
        self.least_share, self.sampling = LEAST_SHARE, "bicubic"
        self.restore = Restoration()
        self.motion = DenseMotion(expression=True)
        self.stem = nn.Conv2d(12, half_width, 3, padding=1)
        self.half_out = nn.Conv2d(half_width, warped_half, 1)
        self.down = Down(half_width, width)
        self.encode = nn.Sequential(ResidualBlock(width), ResidualBlock(width))
        self.still_out = nn.Conv2d(width, still_width, 1)
        self.fuse = nn.Conv2d(width + 32 + EXPRESSION_MAPS + still_width, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.to_half = nn.Conv2d(width, half_width * 4, 3, padding=1)
        self.fuse_half = nn.Conv2d(half_width + warped_half, half_width, 3, padding=1)
        self.to_flow, self.to_picture = last_layers(half_width)

    def prepare_restored(self, picture: Tensor, points: Tensor) -> LayeredState:
        half = F.relu(self.stem(F.pixel_unshuffle(picture * 2 - 1, 2)))
        quarter = self.encode(self.down(half))
        small = reduce_picture(picture, MOTION_SIZE) * 2 - 1
        return LayeredState(picture, small, self.half_out(half), quarter, self.still_out(quarter), points)

    def layers(self, state: LayeredState, driving: Tensor) -> Layers:
        height, width = state.picture.shape[-2:]
        motion = self.motion(state.small, state.points, driving)
        features = motion.features
        if features.shape[-2:] != (height // 4, width // 4):
            features = F.interpolate(features, size=(height // 4, width // 4), mode="bilinear", align_corners=False)
        quarter = warp(state.quarter.float(), resize_grid(motion.grid, height // 4, width // 4))
        x = self.blocks(self.fuse(torch.cat((quarter, features, state.still), dim=1)))
        x = F.pixel_shuffle(F.relu(self.to_half(F.relu(x))), 2)
        grid = resize_grid(motion.grid, height // 2, width // 2)
        half = warp(state.half.float(), grid)
        x = F.relu(self.fuse_half(torch.cat((x, half), dim=1)))
        flow, x = both(self.to_flow, self.to_picture, x)
        # Lids and lips are finer than the motion's grid.
        grid = grid + 0.05 * flow.float().permute(0, 2, 3, 1)
        moved = warp(state.picture, resize_grid(grid, height, width), self.sampling)
        x = F.pixel_shuffle(x, 2).float()
        still = F.interpolate(motion.still, size=(height, width), mode="bilinear", align_corners=False)
        logits = torch.cat((0 * still, x[:, 3:4] + 1, x[:, 4:] + 6 * still - 3), dim=1)
        return compose(logits, x[:, :3] + 0.5, moved, state.picture, self.least_share)

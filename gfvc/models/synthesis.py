"""Synthesis network: key picture, its key points, driving key points -> generated picture.

Dense motion follows the first order motion model (Siarohin et al., arXiv 2003.00196) in outline: a softmax mixes
candidate motions. Ours differ: an affine motion fitted to the explicit points, that motion corrected at each explicit
point, a shift at each implicit point, and rest. A prior on the mixing weights makes the mix a scattered-data
interpolation before the network has learned anything. The picture itself is warped at full size and mixed with
generated content by a learned mask, so that what the motion leaves alone is carried over.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import Down, ResidualBlock, Up, gaussian_maps, picture_grid, resize_grid, warp
from .expression import EXPRESSION_MAPS, expression_maps
from .points import FACE_COUNT, POINT_COUNT
from .resample import reduce_picture

MOTION_SIZE = 64


def affine_fit(source: Tensor, driving: Tensor, ridge: float = 0.05) -> tuple[Tensor, Tensor, Tensor]:
    """Least-squares affine motion from driving to source points [B, K, 2], drawn towards no change by ``ridge``.

    Returns the matrix [B, 2, 2] and the centres of the source and of the driving points [B, 1, 2], so that
    position z moves to (z - driving centre) @ matrix^T + source centre.
    """
    source_centre, driving_centre = source.mean(1, keepdim=True), driving.mean(1, keepdim=True)
    s, d = source - source_centre, driving - driving_centre
    eye = torch.eye(2, device=s.device, dtype=s.dtype) * ridge
    # Sums of products, not matrix products: autocast would run those in 16 bit, which is too coarse for positions.
    cross = (s[..., :, None] * d[..., None, :]).sum(1) + eye
    gram = (d[..., :, None] * d[..., None, :]).sum(1) + eye
    # The 2x2 inverse is written out: it exports to every engine.
    a, b, c, e = gram[:, :1, :1], gram[:, :1, 1:], gram[:, 1:, :1], gram[:, 1:, 1:]
    inverse = torch.cat((torch.cat((e, -b), 2), torch.cat((-c, a), 2)), 1) / (a * e - b * c)
    return (cross[..., :, :, None] * inverse[..., None, :, :]).sum(2), source_centre, driving_centre


class Motion(NamedTuple):
    """grid: where each sample comes from, [B, 64, 64, 2]; features [B, 32, 64, 64], with expression maps 8 more; still:
    weight of rest among the candidates, [B, 1, 64, 64]."""

    grid: Tensor
    features: Tensor
    still: Tensor


class DenseMotion(nn.Module):
    """Dense motion on a 64x64 grid from a small key picture and two sets of key points.

    With ``expression`` it also sees, and passes on, what mouth and eyes do.
    """

    def __init__(self, points: int = POINT_COUNT, *, expression: bool = False) -> None:
        super().__init__()
        self.expression = expression
        inputs = points + 6 + (EXPRESSION_MAPS if expression else 0)
        self.down1 = Down(inputs, 48)
        self.down2 = Down(48, 64)
        self.down3, self.res3 = Down(64, 96), ResidualBlock(96)
        self.up1, self.res1 = Up(96, 64, 64), ResidualBlock(64)
        self.up2, self.res2 = Up(64, 48, 48), ResidualBlock(48)
        self.up3 = Up(48, 32, inputs)
        self.mix = nn.Conv2d(32, points + 2, 3, padding=1)
        self.residual = nn.Conv2d(32, 2, 3, padding=1)
        for layer in (self.mix, self.residual):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, key_small: Tensor, source: Tensor, driving: Tensor) -> Motion:
        grid = picture_grid(MOTION_SIZE, MOTION_SIZE, key_small)
        matrix, source_centre, driving_centre = affine_fit(source[:, :FACE_COUNT], driving[:, :FACE_COUNT])

        def head_motion(position: Tensor) -> Tensor:
            return ((position - driving_centre)[..., None, :] * matrix[:, None]).sum(-1) + source_centre

        head = head_motion(grid.view(1, -1, 2))
        shift = source - torch.cat((head_motion(driving[:, :FACE_COUNT]), driving[:, FACE_COUNT:]), dim=1)
        head_map = head.unflatten(1, (MOTION_SIZE, MOTION_SIZE))
        bumps = gaussian_maps(driving, MOTION_SIZE, 0.1)
        seen = [bumps - gaussian_maps(source, MOTION_SIZE, 0.1), key_small, warp(key_small, head_map)]
        if self.expression:
            seen.append(expression_maps(source, driving, MOTION_SIZE))
        x = torch.cat(seen, dim=1)
        at32 = self.down1(x)
        at16 = self.down2(at32)
        at8 = self.res3(self.down3(at16))
        features = self.up3(self.res2(self.up2(self.res1(self.up1(at8, at16)), at32)), x)

        face = gaussian_maps(driving_centre, MOTION_SIZE, 0.5)
        # Not zeros_like: a tracer takes that for a constant of the example's batch.
        prior = torch.cat((0 * face, 6 * face - 2, 6 * bumps - 4), dim=1)
        weights = torch.softmax(prior + self.mix(features).float(), dim=1)
        still, rigid = weights[:, :1], 1 - weights[:, :1]
        # Candidates share the rest and head motions; implicit points move with the rest, explicit ones with the head.
        implicit = weights[:, 2 + FACE_COUNT :].sum(1, keepdim=True)
        still, rigid = still + implicit, rigid - implicit
        shifts = [(weights[:, 2:] * shift[:, :, axis : axis + 1, None]).sum(1, keepdim=True) for axis in (0, 1)]
        flow = still * grid.permute(2, 0, 1) + rigid * head_map.permute(0, 3, 1, 2) + torch.cat(shifts, dim=1)
        flow = (flow + 0.1 * self.residual(features).float()).permute(0, 2, 3, 1)
        if self.expression:
            features = torch.cat((features, seen[-1].to(features.dtype)), dim=1)
        return Motion(flow, features, still)


class KeyState(NamedTuple):
    """What is computed once a group: the key picture, its small form, its feature maps and its key points."""

    picture: Tensor
    small: Tensor
    half: Tensor
    quarter: Tensor
    points: Tensor


class Synthesis(nn.Module):
    """`prepare` once per key picture, `generate` once per driving picture.

    Pictures are [B, 3, H, W], 0..1, H and W multiples of 4.
    """

    def __init__(self, width: int = 64, half_width: int = 32, warped_half: int = 16, blocks: int = 3) -> None:
        super().__init__()
        self.motion = DenseMotion()
        self.stem = nn.Conv2d(12, half_width, 3, padding=1)
        self.half_out = nn.Conv2d(half_width, warped_half, 1)
        self.down = Down(half_width, width)
        self.encode = nn.Sequential(ResidualBlock(width), ResidualBlock(width))
        self.fuse = nn.Conv2d(width + 32, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.to_half = nn.Conv2d(width, half_width * 4, 3, padding=1)
        self.fuse_half = nn.Conv2d(half_width + warped_half, half_width, 3, padding=1)
        self.to_picture = nn.Conv2d(half_width, 4 * 4, 3, padding=1)
        nn.init.normal_(self.to_picture.weight, std=0.01)
        nn.init.zeros_(self.to_picture.bias)

    def prepare(self, picture: Tensor, points: Tensor) -> KeyState:
        half = F.relu(self.stem(F.pixel_unshuffle(picture * 2 - 1, 2)))
        quarter = self.encode(self.down(half))
        return KeyState(picture, reduce_picture(picture, MOTION_SIZE) * 2 - 1, self.half_out(half), quarter, points)

    def generate(self, state: KeyState, driving: Tensor, with_warped: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Generated picture [B, 3, H, W], not clipped; with ``with_warped`` also the key picture as only warped."""
        height, width = state.picture.shape[-2:]
        motion = self.motion(state.small, state.points, driving)
        features = motion.features
        if features.shape[-2:] != (height // 4, width // 4):
            features = F.interpolate(features, size=(height // 4, width // 4), mode="bilinear", align_corners=False)
        quarter = warp(state.quarter.float(), resize_grid(motion.grid, height // 4, width // 4))
        x = self.blocks(self.fuse(torch.cat((quarter, features), dim=1)))
        x = F.relu(F.pixel_shuffle(self.to_half(F.relu(x)), 2))
        half = warp(state.half.float(), resize_grid(motion.grid, height // 2, width // 2))
        x = F.relu(self.fuse_half(torch.cat((x, half), dim=1)))
        x = F.pixel_shuffle(self.to_picture(x), 2)
        warped = warp(state.picture, resize_grid(motion.grid, height, width))
        keep = torch.sigmoid(x[:, 3:] + 2)
        picture = keep * warped + (1 - keep) * (x[:, :3] + 0.5)
        return (picture, warped) if with_warped else picture

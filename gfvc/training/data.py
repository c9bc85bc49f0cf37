"""Training pairs: two pictures of one clip, one the key picture, one the driving picture, under common augmentation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from datasets.clips import FrameCache, Outlines

from ..models.fill import fill, spread
from ..models.points import MIRROR, OUTLINE_SLICE, POINT_COUNT, index_of
from .degrade import SPACING
from .still_motion import apply_field, move_points, random_field


class Batch(NamedTuple):
    """key, driving: float [B, 3, S, S], 0..1; key_target: key before its codec; *_marks: [B, K, 2], the key points, NaN
    where there is no label; *_mask: [B, 1, S, S], 1 where the person is, NaN where unknown."""

    key: Tensor
    key_target: Tensor
    driving: Tensor
    key_marks: Tensor
    driving_marks: Tensor
    key_mask: Tensor
    driving_mask: Tensor


def random_affine(count: int, generator: torch.Generator, spread: float) -> Tensor:
    """Random similarity transforms as [count, 2, 3]: rotation up to 0.25 rad, scale and shift up to 0.2, times
    ``spread``."""
    u = (torch.rand(count, 4, generator=generator) * 2 - 1) * spread
    return similarity(0.25 * u[:, 0], 1 + 0.2 * u[:, 1], 0.2 * u[:, 2], 0.2 * u[:, 3])


def similarity(angle: Tensor, scale: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Similarity transforms [count, 2, 3] of an angle in rad, a scale and a shift each, all [count]."""
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    return torch.stack((torch.stack((cos, -sin, right), -1), torch.stack((sin, cos, down), -1)), dim=1)


def transform_points(points: Tensor, affine: Tensor) -> Tensor:
    """Where points of a picture lie after `transform_pictures` with the same ``affine``: the inverse map."""
    matrix, shift = affine[:, :, :2], affine[:, :, 2]
    return (torch.linalg.inv(matrix)[:, None] @ (points - shift[:, None])[..., None]).squeeze(-1)


def transform_pictures(pictures: Tensor, affine: Tensor) -> Tensor:
    """Resample pictures [B, 3, S, S]: output position z shows input position affine(z); edges are mirrored."""
    grid = F.affine_grid(affine, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


# Share of the key pictures that have been through a codec.
DEGRADED_SHARE = 0.75
# How often a still is drawn, against a clip of one picture.
STILL_WEIGHT = 0.5
# So many pairs are drawn for one in which lips or lids move.
CANDIDATES = 4


def openings(marks: Tensor) -> Tensor:
    """How far lips and lids are open in marks [N, E, 2], by the distance of the irises: [N, 3], 0 where unknown.

    Lids move less than lips, and count twice.
    """
    right, left = index_of("right_iris", "left_iris")
    scale = (marks[:, right] - marks[:, left]).norm(dim=-1)
    pairs = (("upper_lip", "lower_lip"), ("right_lid_upper", "right_lid_lower"), ("left_lid_upper", "left_lid_lower"))
    gaps = [(marks[:, b, 1] - marks[:, a, 1]) / scale for a, b in (index_of(*pair) for pair in pairs)]
    return (torch.stack(gaps, dim=1) * marks.new_tensor([1.0, 2.0, 2.0])).nan_to_num(0.0, 0.0, 0.0)


class Transforms(NamedTuple):
    """common: of key pictures, own: of driving pictures, [B, 2, 3]; apart: where they may differ, mirrored: where both
    are mirrored, bool [B]."""

    common: Tensor
    own: Tensor
    apart: Tensor
    mirrored: Tensor


def random_transforms(still: Tensor, generator: torch.Generator) -> Transforms:
    """Crop, scale, rotation and flip of pairs; a quarter of the driving pictures, and those of stills [B], have one of
    their own."""
    count = len(still)
    common = random_affine(count, generator, 0.8)
    apart = (torch.rand(count, generator=generator) < 0.25) | still
    own = common.clone()
    own[:, :, :2] = common[:, :, :2] @ random_affine(count, generator, 0.3)[:, :, :2]
    own[:, :, 2] += (torch.rand(count, 2, generator=generator) - 0.5) * 0.15
    own = torch.where(apart[:, None, None], own, common)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    mirror = torch.diag_embed(torch.stack((flip, torch.ones(count)), -1))
    common[:, :, :2], own[:, :, :2] = common[:, :, :2] @ mirror, own[:, :, :2] @ mirror
    return Transforms(common, own, apart, flip < 0)


def random_colour(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Gain [B, 3, 1, 1] and offset [B, 1, 1, 1] of pairs."""
    gain = (
        1
        + 0.3 * (torch.rand(count, 3, 1, 1, generator=generator) - 0.5)
        + 0.4 * (torch.rand(count, 1, 1, 1, generator=generator) - 0.5)
    )
    return gain, 0.2 * (torch.rand(count, 1, 1, 1, generator=generator) - 0.5)


def background_at_rest(driving: Tensor, driving_mask: Tensor, target: Tensor, key_mask: Tensor) -> Tensor:
    """Driving pictures whose person stands before the background of the key pictures."""
    behind = fill(target, 1 - spread(key_mask))
    return driving_mask * driving + (1 - driving_mask) * behind


class PairSampler:
    """Draw batches from a frame cache.

    On CUDA the whole cache is held on the device.
    """

    def __init__(
        self,
        cache: FrameCache,
        marks: np.ndarray | None,
        degraded: np.ndarray | None,
        *,
        outlines: Outlines | None = None,
        device: torch.device,
        seed: int = 0,
    ) -> None:
        """marks: landmarks of the face, [N, 17, 2]; degraded: the pictures of `degrade.degraded_rows` after a
        key-picture codec; most key pictures are such."""
        self.start, self.length = (torch.tensor([clip[part] for clip in cache.clips]) for part in (1, 2))
        self.weights = self.length.double().sqrt()
        self.weights[self.weights == 1] = STILL_WEIGHT
        self.device = device
        self.generator = torch.Generator().manual_seed(seed)
        self.frames = torch.from_numpy(np.asarray(cache.frames)) if device.type == "cuda" else cache.frames
        self.degraded = degraded
        # First degraded picture of each clip.
        counts = [-(-count // SPACING) for _, _, count in cache.clips]
        self.degraded_start = torch.tensor([0, *counts[:-1]]).cumsum(0)
        if device.type == "cuda":
            self.frames = self.frames.to(device)
            self.degraded = None if degraded is None else torch.from_numpy(np.asarray(degraded)).to(device)
        all_marks = np.full((len(cache.frames), POINT_COUNT, 2), np.nan, dtype=np.float32)
        if marks is not None:
            all_marks[:, : marks.shape[1]] = marks
        if outlines is not None:
            all_marks[:, OUTLINE_SLICE] = outlines.points
        self.marks = torch.from_numpy(all_marks)
        self.openings = openings(self.marks)
        self.outlines = outlines

    def _gather(self, frames: Tensor | np.ndarray, rows: Tensor) -> Tensor:
        picked = frames[rows.to(self.device)] if isinstance(frames, Tensor) else torch.from_numpy(frames[rows.numpy()])
        return picked.to(self.device).permute(0, 3, 1, 2).float() / 255

    def _masks(self, rows: Tensor, size: int) -> Tensor:
        """Masks of pictures, 0..1, NaN where unknown: [B, 1, size, size]."""
        if self.outlines is None:
            return torch.full((len(rows), 1, size, size), torch.nan, device=self.device)
        at = torch.from_numpy(self.outlines.row[rows.numpy()])
        masks = torch.from_numpy(self.outlines.masks[at.clamp(min=0).numpy()])[:, None].to(self.device).float() / 255
        masks[at.to(self.device) < 0] = torch.nan
        return F.interpolate(masks, size=(size, size), mode="bilinear", align_corners=False)

    def _pairs(self, count: int) -> tuple[Tensor, Tensor]:
        """Clips [B], and rows of key and driving pictures [2, B].

        Clips are drawn by the square root of their length, so that stills and short clips count, but not as much. Half
        of the pairs are those of a few in which lips and lids differ most: blinks and open mouths are rare.
        """
        g = self.generator
        clip = torch.multinomial(self.weights, count, replacement=True, generator=g)
        rows = self.start[clip] + (torch.rand(2, CANDIDATES, count, generator=g) * self.length[clip]).long()
        moved = (self.openings[rows[0]] - self.openings[rows[1]]).abs().sum(-1)
        chosen = torch.where(torch.rand(count, generator=g) < 0.5, moved.argmax(0), 0)
        return clip, rows.gather(1, chosen.expand(2, 1, count)).squeeze(1)

    def _keys(self, clip: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Key pictures of ``rows``, the same before their codec, and their rows: those that come from the codec are
        the nearest before the ones asked for."""
        if self.degraded is None:
            target = self._gather(self.frames, rows)
            return target.clone(), target, rows
        use = torch.rand(len(rows), generator=self.generator) < DEGRADED_SHARE
        start = self.start[clip]
        steps = (rows - start) // SPACING
        rows = torch.where(use, start + steps * SPACING, rows)
        target = self._gather(self.frames, rows)
        key = target.clone()
        if use.any():
            key[use.to(self.device)] = self._gather(self.degraded, (self.degraded_start[clip] + steps)[use])
        return key, target, rows

    def _moved_marks(self, rows: Tensor, affine: Tensor, mirrored: Tensor) -> Tensor:
        """The key points of pictures after their transform: [B, K, 2]."""
        marks = transform_points(self.marks[rows], affine)
        return torch.where(mirrored[:, None, None], marks[:, list(MIRROR)], marks).to(self.device)

    def draw(self, count: int) -> Batch:
        """A batch of ``count`` pairs from one clip each; flip, crop, scale, rotation, colour.

        The driving picture of a still is the still itself, warped (`still_motion`). Where the driving picture has a
        transform of its own, the background stays behind, as far as the person's mask is known.
        """
        # The order in which random numbers are drawn is part of what a seed means.
        g = self.generator
        clip, (key_rows, driving_rows) = self._pairs(count)
        key, target, key_rows = self._keys(clip, key_rows)
        still = self.length[clip] == 1
        common, own, apart, mirrored = random_transforms(still, g)
        gain, offset = (factor.to(self.device) for factor in random_colour(count, g))

        size = target.shape[-1]
        key_marks = self._moved_marks(key_rows, common, mirrored)
        driving_marks = self._moved_marks(driving_rows, own, mirrored)
        common, own = common.to(self.device), own.to(self.device)
        key_mask = self._masks(key_rows, size)
        key, target, key_mask = (transform_pictures(p, common) for p in (key, target, key_mask))
        driving = torch.cat((self._gather(self.frames, driving_rows), self._masks(driving_rows, size)), dim=1)
        driving = transform_pictures(driving, own)

        if still.any():
            chosen = still.to(self.device)
            field = random_field(driving_marks[chosen].cpu(), size, g).to(self.device)
            driving[chosen] = apply_field(driving[chosen], field)
            driving_marks[chosen] = move_points(driving_marks[chosen], field)
        driving, driving_mask = driving[:, :3], driving[:, 3:]
        chosen = apart.to(self.device) & key_mask.isfinite().flatten(1).all(1)
        if chosen.any():
            parts = (part[chosen] for part in (driving, driving_mask, target, key_mask))
            driving[chosen] = background_at_rest(*parts)

        key, target, driving = ((p * gain + offset).clamp(0, 1) for p in (key, target, driving))
        return Batch(key, target, driving, key_marks, driving_marks, key_mask, driving_mask)

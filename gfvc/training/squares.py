"""What the stage `details` learns from: squares of mouths and eyes as the rest of a model makes them, and as they were.

They are made once, by encoding pairs of pictures as in use: painting leaves all else as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from datasets.clips import FrameCache, whole_file, write_array

from ..backends.base import Backend
from ..models.blocks import pick
from ..models.local import CROP_SIZE, REGIONS, SOURCE_SIZE, Region, cut, opening, region_frame
from ..models.points import MIRROR, POINT_COUNT
from ..models.resample import reduce_picture
from ..pipeline import overlap
from .pairing import Pairing

KEY, NOW, TARGET = range(3)


class Squares(NamedTuple):
    """squares: uint8 [N, 3, R, 64, 64, 3], those of the key picture, of the generated one and of its original, for each
    region; points: float32 [N, 2, K, 2], of key and driving picture, as decoded."""

    squares: np.ndarray
    points: np.ndarray


class SquareBatch(NamedTuple):
    """Squares of one region, [B, 3, 64, 64] in 0..1, and the points [B, K, 2] of key and driving pictures."""

    key: Tensor
    now: Tensor
    driving: Tensor
    key_points: Tensor
    driving_points: Tensor


def _cut_all(rgb: np.ndarray, points: Tensor) -> np.ndarray:
    """The squares of all regions: uint8 [R, 64, 64, 3]."""
    picture = reduce_picture(torch.from_numpy(np.array(rgb)).permute(2, 0, 1)[None].float(), SOURCE_SIZE)
    found = torch.cat([cut(picture, region_frame(points, region)) for region in REGIONS])
    return found.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


class _Cutter(Pairing):
    """Cuts the squares of all pairs of a key picture: its rows of `Squares`."""

    @torch.no_grad()
    def pairs(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        key, parameters, found = self.key(index)
        key_points = _tensor(found)
        registration = self.registration(key, parameters)
        key_squares = _cut_all(key.shown, key_points)
        squares, points = [], []
        for row in self.drives[index]:
            rgb = np.asarray(self.frames.frames[row])
            fit = registration.fit(rgb, self.backend.analyse(rgb))
            parameters, driving = self.decoded(fit.parameters)
            driving_points = _tensor(driving)
            now = self.backend.generate(key, parameters)
            squares.append(np.stack([key_squares, _cut_all(now, driving_points), _cut_all(rgb, driving_points)]))
            points.append(torch.cat((key_points, driving_points)).numpy())
        return np.stack(squares), np.stack(points)


def _tensor(points: np.ndarray) -> Tensor:
    """Points [K, 2] -> [1, K, 2]."""
    return torch.from_numpy(points).float()[None]


def build_squares(
    frames: FrameCache,
    degraded: np.ndarray,
    backend: Backend,
    cache: Path,
    seed: int,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Squares:
    """Squares of pairs of pictures of each clip: decoded key pictures, as `build_degraded` lists them, and driving
    pictures drawn from the clip; kept in ``cache``."""
    stem = f"{frames.frames.shape[1]}-{len(frames.frames)}-{seed}-{backend.weights.sha256[:12]}"
    paths = [cache / f"{kind}-{stem}.npy" for kind in ("squares", "square-points")]
    if not all(path.exists() for path in paths):
        cutter = _Cutter(frames, degraded, backend, seed)
        total, done = sum(map(len, cutter.drives)), 0
        points = np.empty((total, 2, POINT_COUNT, 2), np.float32)
        with whole_file(paths[0]) as out:
            shape = (total, 3, len(REGIONS), CROP_SIZE, CROP_SIZE, 3)
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(out, header)

            def use(found: tuple[np.ndarray, np.ndarray]) -> None:
                nonlocal done
                out.write(found[0].tobytes())
                points[done : done + len(found[1])] = found[1]
                done += len(found[1])

            overlap(progress(cutter.keys), cutter, use, backend.workers)
        write_array(points, paths[1])
    return Squares(*(np.load(path, mmap_mode="r", allow_pickle=False) for path in paths))


def opening_changes(points: Tensor, region: Region) -> Tensor:
    """By how much lips or lids are further apart or closer in the driving than in the key picture, in half sides of the
    square, from points [N, 2, K, 2]: [N]."""
    apart = []
    for at in points.unbind(1):
        placed = region_frame(at, region).to_square(pick(at, region.points))
        apart.append(opening(placed, region.gap))
    return (apart[1] - apart[0]).abs()


class SquareSampler:
    """Draws squares of mouths and of eyes, mirrored, and darker or lighter, at random.

    Those that open or close are drawn more often: in most pairs there is nothing to paint.
    """

    def __init__(self, squares: Squares, device: torch.device) -> None:
        self.squares, self.device = squares, device
        changes = [opening_changes(torch.from_numpy(np.array(squares.points)), region) for region in REGIONS]
        mouth, eyes = changes[0], changes[1] + changes[2]
        self.weights = [0.3 * change.mean() + change for change in (mouth, eyes)]
        self.generator = torch.Generator()

    def draw(self, count: int) -> dict[int, SquareBatch]:
        """For each region, by its place in `REGIONS`, ``count`` squares of the mouth, half as many of each eye, both
        eyes of the same pictures."""
        squares = self._draw([0], self.weights[0], count)
        squares += self._draw([1, 2], self.weights[1], max(1, count // 2))
        return dict(enumerate(squares))

    def _draw(self, places: list[int], weights: Tensor, count: int) -> list[SquareBatch]:
        """Squares of regions that are each other's mirror image, or their own."""
        g = self.generator
        rows = torch.multinomial(weights, count, replacement=True, generator=g).tolist()
        cuts = np.stack([self.squares.squares[row][:, places] for row in rows])
        points = torch.from_numpy(np.stack([self.squares.points[row] for row in rows])).to(self.device)
        cuts = torch.from_numpy(cuts).to(self.device).permute(2, 1, 0, 5, 3, 4).float() / 255
        # Light and, a little, its colour.
        gain = 1 + 0.4 * (torch.rand(1, 1, count, 1, 1, 1, generator=g) - 0.5)
        gain = gain + 0.1 * (torch.rand(1, 1, count, 3, 1, 1, generator=g) - 0.5)
        cuts = (cuts * gain.to(self.device)).clamp(0, 1)
        mirrored = torch.rand(count, generator=g) < 0.5
        # The left eye's square is mirrored as it is: the eyes change places.
        turned = cuts[:, :, mirrored].flip(0)
        cuts[:, :, mirrored] = turned.flip(-1) if len(places) == 1 else turned
        flipped = points[mirrored][:, :, list(MIRROR)]
        points[mirrored] = flipped * flipped.new_tensor([-1.0, 1.0])
        return [SquareBatch(part[KEY], part[NOW], part[TARGET], points[:, 0], points[:, 1]) for part in cuts]

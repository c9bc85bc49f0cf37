"""How much of a clip is the motion of its key points: no network, no codec, points and masks from labels.

    python -m eval.motion CLIPS LABELS

The first picture of each clip stands for all others, moved as the key points have moved; ``LABELS`` as
`datasets.landmarks` and `datasets.outlines` write them. Means over the clips of the PSNR (dB, RGB, 128x128):

    at rest             the first picture as it is
    affine              moved by the affine motion that fits the points of the face best
    affine, person      the person moved so, the rest of the picture at rest
    field               moved by the field of all points (`gfvc.models.field`)
    field, person       the person moved so, the rest of the picture at rest
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datasets.clips import read_pictures
from gfvc.models.blocks import picture_grid, warp
from gfvc.models.field import motion_field
from gfvc.models.points import FACE_COUNT, VERTICES
from gfvc.models.synthesis import affine_fit

SIZE = 128


def moved_pictures(key: Tensor, mask: Tensor, source: Tensor, driving: Tensor) -> dict[str, Tensor]:
    """The pictures [B, 3, S, S] to compare, by name, from the first picture [1, 3, S, S], its mask [1, 1, S, S], its
    points [1, K, 2] and those of the others [B, K, 2]."""
    count = len(driving)
    key, mask, source = (x.expand(count, *x.shape[1:]) for x in (key, mask, source))
    grid = picture_grid(SIZE, SIZE, key).view(-1, 2)
    matrix, source_centre, driving_centre = affine_fit(source[:, :FACE_COUNT], driving[:, :FACE_COUNT], ridge=1e-6)
    ways = {
        "affine": (grid - driving_centre) @ matrix.mT + source_centre,
        "field": motion_field(source, driving, grid)[0],
    }
    found = {"at rest": key}
    for name, positions in ways.items():
        positions = positions.unflatten(1, (SIZE, SIZE))
        picture, person = warp(key, positions), (warp(mask, positions) > 0.5).float()
        found[name] = picture
        found[f"{name}, person"] = person * picture + (1 - person) * key
    return found


def measure(clip: Path, labels: Path, pictures: int) -> dict[str, float] | None:
    """PSNR of each way, mean over ``pictures`` spread over the clip; None if the first has no labels."""
    with np.load(labels / f"{clip.stem}.outline.npz", allow_pickle=False) as file:
        outline, mask = file["points"], file["masks"][0]
    face = np.load(labels / f"{clip.stem}.npy", allow_pickle=False)[:, list(VERTICES)]
    points = torch.from_numpy(np.concatenate((face, outline), axis=1).astype(np.float32))
    rows = np.unique(np.linspace(1, len(points) - 1, pictures).astype(int))
    rows = [int(row) for row in rows if torch.isfinite(points[row]).all()]
    if not rows or not torch.isfinite(points[0]).all():
        return None
    wanted = {0, *rows}
    shown = {index: rgb for index, rgb in enumerate(read_pictures(clip, SIZE)) if index in wanted}
    key, *others = (torch.from_numpy(shown[index]).permute(2, 0, 1).float() / 255 for index in (0, *rows))
    targets = torch.stack(others)
    person = torch.from_numpy(mask)[None, None].float() / 255
    scores = {}
    for name, found in moved_pictures(key[None], person, points[:1], points[rows]).items():
        error = (found - targets).square().mean((1, 2, 3)).clamp(min=1e-8)
        scores[name] = float((-10 * torch.log10(error)).mean())
    return scores


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m eval.motion", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path, help="folder of clips, 256x256")
    parser.add_argument("labels", type=Path, help="folder of their labels")
    parser.add_argument("--pictures", type=int, default=10, help="pictures of each clip")
    parser.add_argument("--json", action="store_true", help="print JSON, with each clip's figures")
    args = parser.parse_args()
    clips = {}
    for path in sorted(args.clips.glob("*.mp4")):
        if (args.labels / f"{path.stem}.outline.npz").exists() and (
            scores := measure(path, args.labels, args.pictures)
        ):
            clips[path.stem] = scores
    if not clips:
        parser.error(f"{args.labels}: no labels of clips in {args.clips}; make them with datasets.landmarks, .outlines")
    means = {name: float(np.mean([scores[name] for scores in clips.values()])) for name in next(iter(clips.values()))}
    if args.json:
        print(json.dumps({"mean": means, "clips": clips}))
    else:
        for name, value in means.items():
            print(f"{name:16} {value:6.2f} dB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

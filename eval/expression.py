"""How faithfully does the analysis follow expressions? Its points on held-out clips, against labels.

    python -m eval.expression CLIPS LABELS [--family keypoints2d] [--weights FILE] [--coarse] [--json]

LABELS are those of `datasets.landmarks`. Of the opening of the lips and of the lids and of the sideways position of the
irises, each less its mean over the clip: slope and correlation of found on labelled values, all clips together (a slope
of 0.3 shows a third of the movement). Of the points of pose, mouth and eyes: mean distance from the label as a share of
the distance between the irises, mean over clips.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from datasets.clips import ClipError, list_clips, read_pictures
from gfvc.errors import GfvcError
from gfvc.models.families import FAMILIES, FaceModel
from gfvc.models.points import EYES_SLICE, FACE_COUNT, MOUTH_SLICE, POSE_SLICE, VERTICES, index_of
from gfvc.models.registry import DEFAULT_FAMILY, load_model

MOVEMENTS = ("lips", "lids", "gaze")
REGIONS = {"pose": POSE_SLICE, "mouth": MOUTH_SLICE, "eyes": EYES_SLICE}
BATCH = 16


def iris_distance(points: np.ndarray) -> float:
    """Mean distance between the irises of points [T, E, 2]."""
    right, left = index_of("right_iris", "left_iris")
    return float(np.linalg.norm(points[:, right] - points[:, left], axis=-1).mean())


def movements(points: np.ndarray) -> np.ndarray:
    """Opening of lips and of lids (mean of both eyes) and gaze of points [T, E, 2], less their means: [T, 3]."""

    def distance(axis: int, first: str, second: str) -> np.ndarray:
        a, b = index_of(first, second)
        return points[:, b, axis] - points[:, a, axis]

    lids = [distance(1, f"{side}_lid_upper", f"{side}_lid_lower") for side in ("right", "left")]
    gaze = [distance(0, f"{side}_lid_lower", f"{side}_iris") for side in ("right", "left")]
    found = np.stack((distance(1, "upper_lip", "lower_lip"), np.mean(lids, axis=0), np.mean(gaze, axis=0)), axis=1)
    return found - found.mean(0)


@torch.inference_mode()
def analyse_clip(model: FaceModel, clip: Path, step: int, coarse: bool) -> np.ndarray:
    """Explicit points of each ``step``-th picture at 256x256: [T, E, 2]."""
    analyse = model.analyse_coarsely if coarse else model.analyse
    found, waiting = [], []

    def empty() -> None:
        pictures = torch.from_numpy(np.stack(waiting)).permute(0, 3, 1, 2).float() / 255
        found.append(model.points(analyse(pictures))[:, :FACE_COUNT].numpy())
        waiting.clear()

    for picture in read_pictures(clip, 256, step):
        waiting.append(picture)
        if len(waiting) == BATCH:
            empty()
    if waiting:
        empty()
    return np.concatenate(found)


def measure(model: FaceModel, clips: Path, labels: Path, step: int = 4, coarse: bool = False) -> dict[str, object]:
    """The figures of all labelled clips.

    Raises ClipError if there is none.
    """
    there, here, errors = [], [], []
    for clip in list_clips(clips):
        path = (labels / clip.relative_to(clips)).with_suffix(".npy")
        if not path.exists():
            continue
        marks = np.load(path, allow_pickle=False)[::step].astype(np.float32)[:, list(VERTICES)]
        points = analyse_clip(model, clip, step, coarse)
        if len(points) != len(marks):
            raise ClipError(f"{path}: {len(marks)} labels for {len(points)} pictures; label the clips again")
        known = np.isfinite(marks).all((1, 2))
        if not known.any():
            continue
        marks, points = marks[known], points[known]
        scale = 100 / iris_distance(marks)
        there.append(scale * movements(marks))
        here.append(scale * movements(points))
        distance = scale * np.linalg.norm(points - marks, axis=-1)
        errors.append([distance[:, region].mean() for region in REGIONS.values()])
    if not there:
        raise ClipError(f"{labels}: no labels of the clips in {clips}")
    a, b = np.concatenate(there), np.concatenate(here)
    product, of_a, of_b = (a * b).sum(0), (a * a).sum(0), (b * b).sum(0)
    return {
        "clips": len(there),
        "slope": dict(zip(MOVEMENTS, (product / of_a).tolist(), strict=True)),
        "correlation": dict(zip(MOVEMENTS, (product / np.sqrt(of_a * of_b)).tolist(), strict=True)),
        "error_percent": dict(zip(REGIONS, np.mean(errors, axis=0).tolist(), strict=True)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.expression", description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--family", choices=sorted(FAMILIES), default=DEFAULT_FAMILY)
    parser.add_argument("--weights", type=Path, help="a weights file instead of the family's default model")
    parser.add_argument("--coarse", action="store_true", help="without the refinement of mouth and eyes")
    parser.add_argument("--step", type=int, default=4, help="look at each n-th picture")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        model = load_model(args.family, args.weights).model
        found = measure(model, args.clips, args.labels, args.step, args.coarse)
    except (GfvcError, ClipError) as error:
        parser.error(str(error))
    if args.json:
        print(json.dumps(found))
        return 0
    print(f"{found['clips']} clips")
    for name in ("slope", "correlation", "error_percent"):
        print(f"{name:14}" + "  ".join(f"{key} {value:.2f}" for key, value in found[name].items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

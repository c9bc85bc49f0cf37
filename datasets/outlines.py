"""Label a folder of clips with the outline of the person: the teacher of the outline points and of the person's mask.

The masks come from MediaPipe's selfie segmentation, whose model lies in its wheel; the points are where the mask ends
above and beside the head, and above the shoulders. The face's landmarks have to be there already
(`datasets.landmarks`, which also says how to install MediaPipe):

    .venv-landmarks/bin/python -m datasets.outlines CLIPS LABELS

For every ``LABELS/name.npy`` of a clip or still it writes ``LABELS/name.outline.npz``: ``points``, float16 [T, 5, 2],
in the order of `gfvc.models.points.OUTLINE`, -1 to 1 across the picture, NaN where there is no face; and ``masks``,
uint8 [T, 128, 128], 255 where the person is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .clips import read_pictures, whole_file
from .labelling import start

MASK_SIZE = 128
_FOREHEAD, _CHIN, _BETWEEN_THE_EYES = 10, 152, 168
# How far to look for the end of hair, from between the eyes, in heights of the face.
_UP, _ASIDE = 2.2, 2.0
# A ray has left the person when it has been outside for so many of its samples.
_RAY_SAMPLES, _LASTING = 128, 6
# Shoulders: of the lowest rows, so much of the width to either side of the middle.
_LOWEST_ROWS, _SHOULDER_PLACE = 0.85, 0.75


def _end_along(inside: np.ndarray, start: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Where a ray from ``start`` along ``way`` leaves the mask for good, or leaves the picture."""
    size = len(inside)
    positions = start + np.linspace(0, 1, _RAY_SAMPLES)[:, None] * way
    column, row = ((positions + 1) * size / 2).astype(int).T
    on_picture = (column >= 0) & (row >= 0) & (column < size) & (row < size)
    seen = inside[row.clip(0, size - 1), column.clip(0, size - 1)] & on_picture
    for index in np.flatnonzero(~seen):
        if not seen[index : index + _LASTING].any():
            return positions[index]
    return positions[-1]


def outline_points(mask: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """The five points from a mask [S, S], 0..1, and face mesh landmarks [478, 2], -1..1: float [5, 2], NaN where the
    face is unknown or the person does not reach down to the picture's lowest part."""
    inside = mask > 0.5
    lowest = np.flatnonzero(inside[int(_LOWEST_ROWS * len(mask)) :].mean(0) > 0.5)
    if np.isnan(marks[_CHIN, 0]) or not len(lowest):
        return np.full((5, 2), np.nan)
    up = marks[_FOREHEAD] - marks[_CHIN]
    left = np.array([-up[1], up[0]])
    start = marks[_BETWEEN_THE_EYES]
    points = [_end_along(inside, start, way) for way in (_UP * up, -_ASIDE * left, _ASIDE * left)]
    middle, half = (lowest[0] + lowest[-1]) / 2, (lowest[-1] - lowest[0]) / 2
    for side in (-1, 1):
        column = int(np.clip(middle + side * _SHOULDER_PLACE * half, 0, len(mask) - 1))
        outside = np.flatnonzero(~inside[:, column])
        row = outside[-1] + 1 if len(outside) else 0
        points.append(((np.array([column, row]) * 2 + 1) / len(mask)) - 1)
    return np.array(points)


def label_clip(segmentation, path: Path, marks: np.ndarray) -> dict[str, np.ndarray]:
    """``points`` and ``masks`` of each picture of ``path``, whose landmarks are ``marks`` [T, 478, 2]."""
    points, masks = [], []
    for picture, row in zip(read_pictures(path, 256), marks.astype(float), strict=False):
        mask = segmentation.process(picture).segmentation_mask
        points.append(outline_points(mask, row))
        small = mask.reshape(MASK_SIZE, 256 // MASK_SIZE, MASK_SIZE, -1).mean((1, 3))
        masks.append((small * 255).round().astype(np.uint8))
    return {"points": np.asarray(points, np.float16), "masks": np.asarray(masks)}


def main() -> int:
    help_of_labels = "folder with their landmarks; outlines already there are kept"
    mediapipe, clips = start("outlines", __doc__, help_of_labels, ".outline.npz")
    segmentation = mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)
    for path, target, place in clips:
        marks = target.with_suffix("").with_suffix(".npy")
        if not marks.exists():
            continue
        found = label_clip(segmentation, path, np.load(marks, allow_pickle=False))
        with whole_file(target) as handle:
            np.savez_compressed(handle, **found)
        lost = int(np.isnan(found["points"][:, 0, 0]).sum())
        print(f"{place}: {len(found['masks'])} pictures, {lost} without points", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

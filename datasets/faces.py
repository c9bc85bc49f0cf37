"""Faces in pictures: the detectors of face-alignment behind one interface.

BlazeFace is the default: its two files (`blazeface.pth`, `anchors.npy`, 0.5 MB) come from a folder of weights. The
others (`sfd`, `retinaface`, `yunet`, ...) take their files by their published names from that folder, or fetch them.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gfvc.errors import GfvcError, MissingPackageError

from .weights import as_torch_hub, find

DETECTORS = ("blazeface", "blazeface-back", "sfd", "retinaface", "scrfd", "yunet")
_BLAZEFACE = {
    "blazeface": ("blazeface.pth", "anchors.npy"),
    "blazeface-back": ("blazefaceback.pth", "anchorsback.npy"),
}


class Box(NamedTuple):
    """A face: corners in pixels (x0 < x1, y0 < y1, may leave the picture) and the detector's score, 0..1."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def side(self) -> float:
        """The longer side."""
        return max(self.x1 - self.x0, self.y1 - self.y0)


class FaceDetector:
    """Find faces in pictures."""

    def __init__(self, kind: str = "blazeface", weights_dir: Path | None = None, threshold: float = 0.5) -> None:
        """weights_dir: folder of the weights, None for the cache; threshold: lowest score of a face.

        Raises MissingPackageError if face-alignment is not installed, WeightsMissingError if the weights are not there.
        """
        if kind not in DETECTORS:
            raise GfvcError(f"--detector {kind}: one of {', '.join(DETECTORS)} expected")
        name = kind.removesuffix("-back")
        try:
            module = __import__(f"face_alignment.detection.{name}", fromlist=["FaceDetector"])
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                f"face detector {kind}: {error.name} is not installed: pip install gfvc[datasets]"
            ) from None
        self.threshold = threshold
        if name == "blazeface":
            files = [find(file, weights_dir, fetch=True) for file in _BLAZEFACE[kind]]
            self._detector = module.FaceDetector(
                device="cpu",
                back_model=kind != name,
                path_to_detector=str(files[0]),
                path_to_anchor=str(files[1]),
                min_score_thresh=threshold,
            )
            return
        try:
            with contextlib.ExitStack() as stack:
                if weights_dir is not None:
                    stack.enter_context(as_torch_hub([path for path in weights_dir.iterdir() if path.is_file()]))
                self._detector = module.FaceDetector(device="cpu")
        except (OSError, RuntimeError) as error:
            raise GfvcError(
                f"face detector {kind}: its weights cannot be loaded ({error}); put them into --weights-dir, or use "
                "--detector blazeface"
            ) from None

    def detect(self, picture: np.ndarray) -> list[Box]:
        """Faces of a uint8 [H, W, 3] RGB picture, the largest first."""
        height, width = picture.shape[:2]
        # BlazeFace looks at a square; the picture is padded to one so that faces at the sides are seen too.
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        square = np.zeros((side, side, 3), np.uint8)
        square[top : top + height, left : left + width] = picture
        boxes = [
            Box(row[0] - left, row[1] - top, row[2] - left, row[3] - top, row[4])
            for row in (tuple(map(float, row)) for row in self._detector.detect_from_image(square) if len(row))
        ]
        return sorted((box for box in boxes if box.score >= self.threshold), key=lambda box: -box.side)

"""Two measures of faces: distance of landmarks, and similarity of identity.

The face's box is found in the original and used for both pictures, so that a detector's mood adds nothing. Where the
original shows no face the picture has no value (NaN) and does not count in the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from datasets.faces import Box, FaceDetector
from datasets.weights import as_torch_hub
from gfvc.errors import GfvcError, MissingPackageError

from .metrics import Pair

EMBEDDING_SIZE = 112
# Outer corners of the eyes among the 68 points.
_EYES = (36, 45)


def _rgb8(picture: Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()


def _box(detector: FaceDetector, picture: Tensor) -> Box | None:
    found = detector.detect(_rgb8(picture))
    return found[0] if found else None


def _per_face(detector: FaceDetector, score: Callable[[Tensor, Tensor, Box], float]) -> Pair:
    """``score`` of each original and its decoded picture in the box of the original's face, NaN where it has none."""

    def measure(a: Tensor, b: Tensor) -> Tensor:
        values = []
        for original, decoded in zip(a, b, strict=True):
            box = _box(detector, original)
            values.append(float("nan") if box is None else score(original, decoded, box))
        return torch.tensor(values)

    return measure


def landmark_distance(files: list[Path]) -> Pair:
    """Mean distance of the 68 points in percent of the distance of the outer eye corners of the original.

    files: FAN, BlazeFace and its anchors. Raises GfvcError if they do not fit or face-alignment is missing.
    """
    detector = FaceDetector(weights_dir=files[1].parent)
    try:
        import face_alignment

        with as_torch_hub(files):
            network = face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D,
                device="cpu",
                compile=False,
                face_detector="blazeface",
                face_detector_kwargs={"path_to_detector": str(files[1]), "path_to_anchor": str(files[2])},
            )
    except ModuleNotFoundError:
        raise MissingPackageError("face-alignment is not installed: pip install gfvc[datasets]") from None
    except (RuntimeError, KeyError, OSError) as error:
        raise GfvcError(f"{files[0]}: not the weights expected: {str(error).splitlines()[0]}") from None

    def points(picture: Tensor, box: Box) -> np.ndarray:
        return network.get_landmarks_from_image(_rgb8(picture), detected_faces=[np.array(box)])[0]

    def distance(original: Tensor, decoded: Tensor, box: Box) -> float:
        first, second = points(original, box), points(decoded, box)
        eyes = np.linalg.norm(first[_EYES[0]] - first[_EYES[1]])
        return float(100 * np.linalg.norm(first - second, axis=1).mean() / max(eyes, 1e-6))

    return _per_face(detector, distance)


def identity(files: list[Path]) -> Pair:
    """Cosine of the embeddings of both faces by a TorchScript network, [B, 3, 112, 112] in -1..1 -> [B, N].

    files: network, BlazeFace and its anchors. Raises GfvcError if the network cannot be loaded.
    """
    detector = FaceDetector(weights_dir=files[1].parent)
    try:
        network = torch.jit.load(str(files[0]), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise GfvcError(f"{files[0]}: not a TorchScript file: {str(error).splitlines()[0]}") from None

    @torch.inference_mode()
    def similarity(original: Tensor, decoded: Tensor, box: Box) -> float:
        cuts = torch.cat([cut(picture, box) for picture in (original, decoded)])
        first, second = network(cuts / 127.5 - 1)
        return float(F.cosine_similarity(first, second, dim=0))

    return _per_face(detector, similarity)


def cut(picture: Tensor, box: Box) -> Tensor:
    """The square around a face, a fifth larger than its box: [3, H, W] -> [1, 3, 112, 112], edges repeated."""
    (x, y), half = box.centre, 0.6 * box.side
    height, width = picture.shape[-2:]
    steps = (torch.arange(EMBEDDING_SIZE) + 0.5) / EMBEDDING_SIZE * 2 - 1
    rows, columns = (y + half * steps) / height * 2 - 1, (x + half * steps) / width * 2 - 1
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], dim=-1)[None]
    return F.grid_sample(picture[None], grid, padding_mode="border", align_corners=False)

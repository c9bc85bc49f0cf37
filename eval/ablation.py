"""What each part of the synthesis buys: decoded quality with one part at a time left out.

    python -m eval.ablation CLIPS [--family compact] [--weights FILE] [--key-qp N] [--pictures N] [--json]

Nothing is trained anew: parts are switched off in the shipped model. Of the first pictures of each clip, coded with one
key picture: PSNR-Y (dB) and MS-SSIM; gmsd (lower is better); sharpness, the energy of the luma's Laplacian against the
original's (1 is equal); flicker, the mean change from picture to picture in the half of the pixels that change least in
the original, against the original's (1 is as still). Means over pictures, then over clips.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import piq
import torch
from scipy.ndimage import laplace
from torch import nn

from datasets.clips import ClipError, list_clips
from gfvc.carriage import DEFAULT_CODEC
from gfvc.errors import GfvcError
from gfvc.key_picture import CODECS, KeyPictureCodec
from gfvc.models.families import FAMILIES, FaceModel
from gfvc.models.registry import DEFAULT_FAMILY, load_model
from gfvc.parameters import family_quantiser
from gfvc.quality import to_rgb8, to_tensor
from gfvc.video import VideoReader

from .freeze import luma, scores

METRICS = ("psnr_y", "ms_ssim", "gmsd", "sharpness", "flicker")
CPU = torch.device("cpu")


def _unchanged(model: FaceModel) -> None:
    pass


def _no_restoration(model: FaceModel) -> None:
    model.synthesis.restore = nn.Identity()


def _soft_mix(model: FaceModel) -> None:
    model.synthesis.least_share = 0.0


def _bilinear(model: FaceModel) -> None:
    model.synthesis.sampling = "bilinear"


VARIANTS: dict[str, Callable[[FaceModel], None]] = {
    "whole": _unchanged,
    "no restoration of key pictures": _no_restoration,
    "soft mix": _soft_mix,
    "bilinear instead of bicubic": _bilinear,
}


@torch.inference_mode()
def coded(model: FaceModel, pictures: list[np.ndarray], codec: KeyPictureCodec, qp: int) -> list[np.ndarray]:
    """What a decoder shows of pictures uint8 [H, W, 3], the first of which is the key picture."""
    quantiser = family_quantiser(model.groups)
    height, width = pictures[0].shape[:2]

    def tensor(values: list[int]) -> torch.Tensor:
        return torch.from_numpy(quantiser.dequantise(values))[None]

    key = to_tensor(codec.decode(codec.encode(pictures[0], qp)), CPU)
    values = quantiser.quantise_key(model.analyse(key)[0].numpy())
    state = model.prepare(key, tensor(values))
    shown = [to_rgb8(state.picture, height, width)]
    for picture in pictures[1:]:
        values = quantiser.quantise(model.analyse(to_tensor(picture, CPU))[0].numpy(), values)
        shown.append(to_rgb8(model.generate(state, tensor(values)), height, width))
    return shown


def judge(originals: list[np.ndarray], shown: list[np.ndarray]) -> dict[str, float]:
    """The METRICS of one clip."""
    rows, changes, before = [], [], None
    for pair in zip(originals, shown, strict=True):
        a, b = (luma(picture) for picture in pair)
        energies = [float((laplace(x[0, 0].numpy()) ** 2).mean()) for x in (a, b)]
        rows.append((*scores(a, b), float(piq.gmsd(a, b, data_range=255)), energies[1] / max(energies[0], 1e-9)))
        if before is not None:
            change = [(now - then).abs() for now, then in zip((a, b), before, strict=True)]
            still = change[0] <= change[0].median()
            changes.append(float((change[1][still].mean() + 0.05) / (change[0][still].mean() + 0.05)))
        before = a, b
    return dict(zip(METRICS, [*np.mean(rows, axis=0).tolist(), float(np.mean(changes))], strict=True))


def measure(
    clips: list[Path], family: str, weights: Path | None, qp: int, pictures: int
) -> dict[str, dict[str, float]]:
    """Means over clips of each of VARIANTS.

    Raises GfvcError for weights of generation 1, which has none of these parts.
    """
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for name, change in VARIANTS.items():
        model = load_model(family, weights).model
        if model.generation < 2:
            raise GfvcError(f"weights of generation {model.generation}, 2 expected: there is nothing to leave out")
        change(model)
        for clip in clips:
            with VideoReader(clip) as video:
                originals = [picture.rgb for picture in itertools.islice(video, pictures)]
                codec = KeyPictureCodec(DEFAULT_CODEC, video.info.width, video.info.height, video.info.colour)
            found[name].append(judge(originals, coded(model, originals, codec, qp)))
    return {
        name: {metric: float(np.mean([row[metric] for row in rows])) for metric in METRICS}
        for name, rows in found.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.ablation", description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, help="folder of face videos")
    parser.add_argument("--family", choices=sorted(FAMILIES), default=DEFAULT_FAMILY)
    parser.add_argument("--weights", type=Path, help="a weights file instead of the family's default model")
    parser.add_argument("--key-qp", type=int, default=CODECS[DEFAULT_CODEC].default_qp, help="of the key picture")
    parser.add_argument("--pictures", type=int, default=60, help="look at so many pictures of each clip")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        found = measure(list_clips(args.clips), args.family, args.weights, args.key_qp, args.pictures)
    except (GfvcError, ClipError) as error:
        parser.error(str(error))
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    for name, row in found.items():
        print(f"{name:32}" + "  ".join(f"{metric} {value:.3f}" for metric, value in row.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

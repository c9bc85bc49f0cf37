"""What each part of the codec buys: rate and decoded quality with one part at a time left out.

    python -m eval.ablation CLIPS [--family compact] [--weights FILE] [--key-qp N] [--pictures N] [--json]

Nothing is trained anew: parts are switched off in the shipped model, and options of encoder and decoder. Of the first
pictures of each clip, coded with one key picture: rate of the parameters (kbit/s); PSNR-Y (dB) and MS-SSIM; gmsd (lower
is better); sharpness, the energy of the luma's Laplacian against the original's (1 is equal); flicker, the mean change
from picture to picture in the half of the pixels that change least in the original, against the original's (1 is as
still). Means over pictures, then over clips.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import piq
from scipy.ndimage import laplace
from torch import nn

from bitstream import StreamReader
from datasets.clips import ClipError, list_clips
from gfvc.carriage import DEFAULT_CODEC
from gfvc.decoder import Decoder
from gfvc.encoder import Encoder
from gfvc.errors import GfvcError
from gfvc.key_picture import CODECS
from gfvc.models.families import FAMILIES, FaceModel
from gfvc.models.mode_map import ModeMap
from gfvc.models.registry import DEFAULT_FAMILY
from gfvc.options import EncoderOptions
from gfvc.stillness import DEFAULT_SLACK
from gfvc.video import VideoReader

from .freeze import luma, scores

METRICS = ("kbps_parameters", "psnr_y", "ms_ssim", "gmsd", "sharpness", "flicker")


def _unchanged(model: FaceModel) -> None:
    pass


def _no_restoration(model: FaceModel) -> None:
    model.synthesis.restore = nn.Identity()


def _soft_mix(model: FaceModel) -> None:
    model.synthesis.least_share = 0.0


def _bilinear(model: FaceModel) -> None:
    model.synthesis.sampling = "bilinear"


def _no_details(model: FaceModel) -> None:
    if model.generation >= 4:
        model.synthesis.details.rest()


def _no_modes(model: FaceModel) -> None:
    if model.has_modes:
        model.synthesis.modes.basis.data.zero_()


class Variant(NamedTuple):
    """change: of the networks; options: of the encoder; slack: of the decoder."""

    change: Callable[[FaceModel], None] = _unchanged
    options: dict[str, Any] = {}  # noqa: RUF012
    slack: int = DEFAULT_SLACK


VARIANTS = {
    "whole": Variant(),
    "no registration": Variant(options={"registration": "off"}),
    "no modes of motion": Variant(_no_modes),
    "nothing held at rest": Variant(options={"rest": 0.0}),
    "each picture by itself": Variant(options={"lookahead": 0}),
    "dead zones": Variant(options={"lagrangian": 0.0}),
    "small changes shown": Variant(slack=0),
    "mouth and eyes not painted": Variant(_no_details),
    "no restoration of key pictures": Variant(_no_restoration),
    "soft mix": Variant(_soft_mix),
    "bilinear instead of bicubic": Variant(_bilinear),
}


def coded(clip: Path, variant: Variant, options: dict[str, Any], pictures: int) -> dict[str, float]:
    """The METRICS of the first pictures of a clip.

    Raises GfvcError for weights of generation 1, which has none of these parts.
    """
    with VideoReader(clip) as video:
        originals = list(itertools.islice(video, pictures))
        encoder = Encoder(video.info, EncoderOptions(**options, **variant.options))
    if encoder.backend.model.generation < 2:
        raise GfvcError("weights of generation 1, 2 or later expected: there is nothing to leave out")
    variant.change(encoder.backend.model)
    if encoder.backend.model.has_modes:
        encoder.modes = ModeMap(encoder.backend.model.synthesis.modes.basis.numpy())
    stream = encoder.header_bytes() + b"".join(unit for picture in originals for unit in encoder.push(picture))
    reader = StreamReader(io.BytesIO(stream + b"".join(encoder.flush())))
    decoder = Decoder(reader.header, weights=options["weights"], backend="torch", device="cpu", slack=variant.slack)
    variant.change(decoder.backend.model)
    shown = [decoder.push(picture).rgb for picture in reader.pictures()]
    rate = encoder.tally.summary().kbps_parameters
    return {"kbps_parameters": rate} | judge([picture.rgb for picture in originals], shown)


def judge(originals: list[np.ndarray], shown: list[np.ndarray]) -> dict[str, float]:
    """The METRICS of one clip, but for the rate."""
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
    return dict(zip(METRICS[1:], [*np.mean(rows, axis=0).tolist(), float(np.mean(changes))], strict=True))


def measure(clips: list[Path], options: dict[str, Any], pictures: int) -> dict[str, dict[str, float]]:
    """Means over clips of each of VARIANTS.

    Raises GfvcError as `coded`.
    """
    found = {}
    for name, variant in VARIANTS.items():
        rows = [coded(clip, variant, options, pictures) for clip in clips]
        found[name] = {metric: float(np.mean([row[metric] for row in rows])) for metric in METRICS}
    return found


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
        options = {"family": args.family, "weights": args.weights, "key_qp": args.key_qp, "key_refresh": "off"}
        options |= {"backend": "torch", "device": "cpu"}
        found = measure(list_clips(args.clips), options, args.pictures)
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

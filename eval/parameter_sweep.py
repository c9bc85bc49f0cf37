"""Which quantiser step, dead zone and temporal filter? Rate and error of the parameters of a family on a folder of
clips, for a grid of settings.

    python -m eval.parameter_sweep CLIPS [--family compact] [--quantiser N ...] [--dead-zone X ...] [--smoothing X ...]

Rate: bytes of the parameter units, with one key picture per clip and units of 16 pictures. Error: mean distance of the
points that a decoder gets from those that the analysis found, in percent of the picture's width, of pose, mouth and
eyes; `opening` is that of the distance between lips and between lids. What a family's code of the points loses counts,
as does what the quantiser loses. Jitter: mean second difference in time of the points, received against found (1 is as
much). Modes of the motion are of two pictures, which no analysis sees: they are 0 here, and cost next to nothing. Means
over clips. The pictures are analysed once, so a grid costs little more than a point.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from bitstream import Colour, Header, KeyPicture, Picture, StreamWriter
from datasets.clips import list_clips
from gfvc.errors import GfvcError
from gfvc.models.families import FAMILIES, FaceModel
from gfvc.models.points import EYES_SLICE, FACE_COUNT, MOUTH_SLICE, POSE_SLICE, index_of
from gfvc.models.registry import DEFAULT_FAMILY, load_model
from gfvc.options import EncoderOptions
from gfvc.parameters import Smoother, family_quantiser
from gfvc.quality import to_tensor
from gfvc.video import VideoReader

_GAPS = tuple(
    index_of(*pair)
    for pair in (
        ("upper_lip", "lower_lip"),
        ("right_lid_upper", "right_lid_lower"),
        ("left_lid_upper", "left_lid_lower"),
    )
)


class Analysed(NamedTuple):
    """One clip: parameters of every picture [T, n], the explicit points they are made from [T, E, 2], and seconds."""

    parameters: np.ndarray
    points: np.ndarray
    seconds: float


@torch.inference_mode()
def analyse_clip(model: FaceModel, clip: Path) -> Analysed:
    """Look at every picture of a clip."""
    parameters, points = [], []
    with VideoReader(clip) as video:
        for picture in video:
            shown = to_tensor(picture.rgb, torch.device("cpu"))
            parameters.append(model.analyse(shown)[0].numpy())
            points.append(model.analysis.refined(shown)[0, :FACE_COUNT].numpy())
        seconds = len(points) * float(video.info.time_base * video.info.picture_ticks)
    return Analysed(np.stack(parameters), np.stack(points), seconds)


def transmit(
    parameters: np.ndarray, model: FaceModel, quantiser: int, dead_zone: float | None, smoothing: float, run: int = 16
) -> tuple[int, np.ndarray]:
    """Bytes of the parameter units of one clip, and the parameters that a decoder has, [T, n]."""
    quantise = family_quantiser(model.groups, quantiser, dead_zone)
    layout, smoother = quantise.layout, Smoother(quantise.steps, smoothing)
    header = Header(256, 256, (1, 25), 1, Colour(), "av1", "420", model.family, layout, "sweep", bytes(8))
    writer = StreamWriter(header)
    values = quantise.quantise_key(smoother(parameters[0]))
    writer.key_picture(KeyPicture(0, tuple(values), b"", b"\0"))
    received, waiting, size = [quantise.dequantise(values)], [], 0
    for row in parameters[1:]:
        values = quantise.quantise(smoother(row), values)
        received.append(quantise.dequantise(values))
        waiting.append(Picture(1, tuple(values)))
        if len(waiting) == run:
            size += len(writer.parameters(waiting))
            waiting = []
    if waiting:
        size += len(writer.parameters(waiting))
    return size, np.stack(received)


@torch.inference_mode()
def points_of(model: FaceModel, parameters: np.ndarray) -> np.ndarray:
    """Points of the face [T, 17, 2]."""
    return model.points(torch.from_numpy(parameters.astype(np.float32)))[:, :FACE_COUNT].numpy()


def compare(sent: np.ndarray, received: np.ndarray) -> list[float]:
    """Errors of pose, mouth, eyes and openings in percent of the picture's width, and jitter."""
    # The picture is 2 wide in these coordinates.
    distance = 50 * np.linalg.norm(received - sent, axis=-1)
    openings = [
        50 * np.abs(np.subtract(*[points[:, lower, 1] - points[:, upper, 1] for points in (sent, received)])).mean()
        for upper, lower in _GAPS
    ]
    jitter = [np.abs(np.diff(points, 2, axis=0)).mean() for points in (received, sent)]
    regions = [distance[:, region].mean() for region in (POSE_SLICE, MOUTH_SLICE, EYES_SLICE)]
    return [*regions, float(np.mean(openings)), jitter[0] / jitter[1]]


def main() -> int:
    defaults = EncoderOptions()
    parser = argparse.ArgumentParser(prog="python -m eval.parameter_sweep", description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, help="folder of face videos")
    parser.add_argument("--family", choices=sorted(FAMILIES), default=DEFAULT_FAMILY)
    parser.add_argument("--weights", type=Path, help="a weights file instead of the family's default model")
    parser.add_argument("--quantiser", type=int, nargs="+", default=[-4, -2, 0, 2])
    parser.add_argument("--dead-zone", type=float, nargs="+", help="default: each group's own")
    parser.add_argument("--smoothing", type=float, nargs="+", default=[defaults.smoothing])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        model = load_model(args.family, args.weights).model
        clips = [analyse_clip(model, clip) for clip in list_clips(args.clips)]
    except GfvcError as error:
        parser.error(str(error))
    names = ("kbps", "pose", "mouth", "eyes", "opening", "jitter")
    rows = []
    for setting in itertools.product(args.quantiser, args.dead_zone or [None], args.smoothing):
        scores = []
        for clip in clips:
            size, received = transmit(clip.parameters, model, *setting)
            errors = compare(clip.points, points_of(model, received))
            scores.append([size * 8e-3 / clip.seconds, *errors])
        row = dict(zip(("quantiser", "dead_zone", "smoothing"), setting, strict=True))
        row |= dict(zip(names, np.mean(scores, axis=0).tolist(), strict=True))
        rows.append(row)
        if not args.json:
            print(
                "  ".join(f"{name} {value if value is None else format(value, '.3g')}" for name, value in row.items())
            )
    if args.json:
        print(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

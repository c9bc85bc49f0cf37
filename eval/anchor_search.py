"""Can an anchor be set better? BD-rates of other settings of a conventional codec against those of `python -m eval rd`.

    python -m eval.anchor_search x264 --clips A.mp4 B.mp4 [--frames 64] [--half] --try ref=2 me=tesa:subme=11

A candidate is a list of the encoder's own parameters, joined by colons, that are added to the anchor's or replace them
(`name=` takes one away); `preset`, `tune` and `pix_fmt` are FFmpeg's options, and {qp} stands for the quantiser
(crf={qp}). For each clip: BD-rate against the anchor in percent by luma MS-SSIM as -10 log10(1 - MS-SSIM), and by
PSNR-YUV, which shows what a gain in luma costs in chroma; negative is better. Rates are bytes of the file. The
quantisers are those of the default conditions.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import av
import numpy as np
import torch

from gfvc.errors import GfvcError
from gfvc.video import VideoInfo, VideoReader

from .rd import anchors
from .rd.conditions import load
from .rd.curves import Curve, Sample, bd_rate, envelope
from .rd.metrics import build
from .rd.work import duration_s, to_planes

METRICS = ("ms-ssim-y", "psnr-yuv")
# Options of FFmpeg's among the parameters; pix_fmt is a field of its own.
_FFMPEG = ("preset", "tune")


def candidate(anchor: anchors.Anchor, settings: str) -> anchors.Anchor:
    """The anchor with ``settings`` ("name=value:name=value") added or in the place of its own; "name=" takes away.

    Raises GfvcError if they are not of that form.
    """
    parameters = dict(entry.split("=", 1) for entry in anchor.parameters.split(":"))
    for entry in filter(None, settings.split(":")):
        name, equals, value = entry.partition("=")
        if not equals:
            raise GfvcError(f"{settings}: {entry!r} found, name=value expected")
        if name == "pix_fmt":
            anchor = replace(anchor, pixel_format=value)
        elif name in _FFMPEG:
            anchor = replace(anchor, options=anchor.options | {name: value})
        elif value:
            # The encoders read their parameters in order; what is replaced keeps its place.
            parameters[name] = value
        else:
            parameters.pop(name, None)
    return replace(anchor, parameters=":".join(f"{name}={value}" for name, value in parameters.items()))


@torch.inference_mode()
def quality(originals: list[np.ndarray], decoded: list[np.ndarray]) -> dict[str, float]:
    """Means over uint8 [H, W, 3] pictures; MS-SSIM on a scale of decibels."""
    sums = dict.fromkeys(METRICS, 0.0)
    for first in range(0, len(originals), 16):
        pair = [to_planes(pictures[first : first + 16]) for pictures in (originals, decoded)]
        for name in METRICS:
            sums[name] += float(build(name, None)(*pair).sum())
    means = {name: value / len(originals) for name, value in sums.items()}
    return means | {"ms-ssim-y": -10 * float(np.log10(1 - means["ms-ssim-y"]))}


@contextlib.contextmanager
def _refusals(anchor: anchors.Anchor) -> Iterator[None]:
    """Raises GfvcError at the end if FFmpeg did not take a setting: it warns and goes on without it."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as messages:
            yield
    finally:
        av.logging.set_level(level)
    refused = [text.strip() for _, name, text in messages if name == anchor.encoder]
    if refused:
        raise GfvcError(f"{anchor.encoder}: {refused[0]}")


def curves(
    anchor: anchors.Anchor, originals: list[np.ndarray], info: VideoInfo, qps: list[int], *, half_size: bool
) -> dict[str, Curve]:
    """Metric -> envelope of an anchor's points on the pictures of one clip.

    Raises GfvcError if the encoder or decoder fails, or the encoder does not know a setting.
    """
    seconds = duration_s(len(originals), info)
    samples: dict[str, list[Sample]] = {name: [] for name in METRICS}
    for qp in qps:
        with _refusals(anchor):
            data = anchors.encode(anchor, originals, info, qp, half_size=half_size)
        found = quality(originals, list(anchors.decode(anchor, data, info)))
        for name in METRICS:
            samples[name].append(Sample(len(data) * 8 / 1000 / seconds, found[name]))
    return {name: envelope(entries) for name, entries in samples.items()}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eval.anchor_search", description=__doc__.splitlines()[0])
    parser.add_argument("anchor", choices=sorted(anchors.ANCHORS))
    parser.add_argument("--try", dest="candidates", nargs="+", required=True, metavar="SETTINGS", help="name=value:..")
    parser.add_argument("--clips", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument("--frames", type=int, default=64, metavar="N", help="pictures of each clip (64)")
    parser.add_argument("--half", action="store_true", help="half size, scaled back up")
    parser.add_argument("--qps", nargs="+", type=int, metavar="QP", help="instead of the default conditions' own")
    parser.add_argument("--candidate-qps", nargs="+", type=int, metavar="QP", help="for candidates on another scale")
    parser.add_argument(
        "--base", default="", metavar="SETTINGS", help="changes of the anchor that all are compared with"
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each candidate")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Exit code 0, 2 for bad options; a candidate that the encoder refuses is reported and the rest goes on."""
    args = build_parser().parse_args(argv)
    try:
        conditions = load("default")
        usual = conditions.anchors[args.anchor]
        qps = args.qps or list(usual.half_qps if args.half else usual.qps)
        base = candidate(anchors.ANCHORS[args.anchor], args.base)
        tried = {settings: candidate(base, settings) for settings in args.candidates}
        clips = {}
        for path in args.clips:
            with VideoReader(path) as video:
                pictures = [picture.rgb for picture in itertools.islice(video, args.frames)]
                clips[path.stem] = pictures, video.info, curves(base, pictures, video.info, qps, half_size=args.half)
    except GfvcError as error:
        print(f"python -m eval.anchor_search: {error}", file=sys.stderr)
        return 2
    for settings, anchor in tried.items():
        row: dict[str, dict[str, float]] = {}
        for name, (pictures, info, reference) in clips.items():
            try:
                found = curves(anchor, pictures, info, args.candidate_qps or qps, half_size=args.half)
            except GfvcError as error:
                print(f"{settings}: {error}", file=sys.stderr)
                break
            row[name] = {
                metric: bd_rate(reference[metric], found[metric], **asdict(conditions.bd)).percent for metric in METRICS
            }
        if args.json:
            print(
                json.dumps({"anchor": args.anchor, "settings": settings, "half": args.half, "clips": row}), flush=True
            )
        else:
            scores = (f"{name} {entry[METRICS[0]]:+6.1f} ({entry[METRICS[1]]:+5.1f})" for name, entry in row.items())
            print(f"{settings:40}", *scores, sep="  ", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

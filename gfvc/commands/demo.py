"""`gfvc demo`: encode and decode the demo clip and put original, repeated key picture and decoded clip side by side."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np

from ..decoder import decode
from ..encoder import encode
from ..files import PIPE
from ..video import VideoReader, open_writer
from .common import print_json, print_summary, progress_bar
from .encode import add_encoding_arguments, options_from

DEMO_CLIP = Path(__file__).resolve().parent.parent / "data" / "astronaut.mp4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", default=str(DEMO_CLIP), help="another clip than the one that ships with gfvc")
    parser.add_argument("--out", type=Path, default=Path("demo_out"), help="folder for the results; overwritten there")
    add_encoding_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the cost as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")


def side_by_side(original: Path, decoded: Path, target: Path) -> None:
    """Write original, its first decoded picture repeated, and decoded clip next to each other."""
    with VideoReader(original) as left, VideoReader(decoded) as right:
        info = dataclasses.replace(left.info, width=3 * left.info.width)
        key = None
        with open_writer(target, info, force=True) as writer:
            for a, b in zip(left, right, strict=True):
                key = b.rgb if key is None else key
                writer.write(a._replace(rgb=np.concatenate((a.rgb, key, b.rgb), axis=1)))


def run(args: argparse.Namespace) -> int:
    options = options_from(args)
    source = PIPE if args.input == PIPE else Path(args.input)
    args.out.mkdir(parents=True, exist_ok=True)
    stem = "demo" if source == PIPE else source.stem
    stream, decoded, sheet = (args.out / name for name in (f"{stem}.gfv", f"{stem}.mp4", f"{stem}-side-by-side.mp4"))
    started = time.perf_counter()
    with progress_bar("encode", quiet=args.quiet) as progress:
        summary = encode(source, stream, options, force=True, progress=progress)
    encoded = time.perf_counter()
    with progress_bar("decode", quiet=args.quiet, total=summary.pictures) as progress:
        decode(
            stream,
            decoded,
            weights=args.weights,
            device=args.device,
            backend=args.backend,
            force=True,
            progress=progress,
        )
    finished = time.perf_counter()
    side_by_side(source, decoded, sheet)
    files = {"stream": str(stream), "decoded": str(decoded), "side_by_side": str(sheet)}
    if args.json:
        print_json(summary.as_dict() | files)
        return 0
    print_summary(summary)
    print(
        f"encoded at {summary.pictures / (encoded - started):.1f} pictures/s, "
        f"decoded at {summary.pictures / (finished - encoded):.1f} pictures/s (start-up included)"
    )
    for what, name in files.items():
        print(f"{what.replace('_', ' ')}: {name}")
    return 0

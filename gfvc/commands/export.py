"""`gfvc export --format onnx --out DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..models.store import DEFAULT_FAMILY, DEFAULTS, find_weights
from ..video import VideoReader
from .common import print_json
from .demo import DEMO_CLIP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("onnx", "openvino", "torchscript"), default="onnx", help="of the graphs")
    parser.add_argument("--out", type=Path, required=True, help="folder for the graphs and model.json")
    parser.add_argument("--family", choices=sorted(DEFAULTS), default=DEFAULT_FAMILY, help="kind of facial parameters")
    parser.add_argument("--weights", type=Path, help="safetensors file to use instead of the family's default model")
    parser.add_argument("-f", "--force", action="store_true", help="overwrite the output")
    parser.add_argument("--json", action="store_true", help="print model.json")
    parser.add_argument("-q", "--quiet", action="store_true", help="no summary")


def run(args: argparse.Namespace) -> int:
    from ..backends.export import export

    pictures = []
    with VideoReader(DEMO_CLIP) as video:
        for index, picture in enumerate(video):
            if index in (0, 30):
                pictures.append(picture.rgb)
            if index == 30:
                break
    weights = find_weights(args.family, args.weights)
    card = export(weights, args.format, args.out, np.stack(pictures), force=args.force)
    if args.json:
        print_json(card)
    elif not args.quiet:
        for name, graph in card["graphs"].items():
            share = graph["difference"]
            print(f"{args.out / graph['file']}: {name}, validated; differs by {share:.1%} of what is allowed")
    return 0

"""`gfvc decode IN.gfv OUT.mp4`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..decoder import decode
from ..files import PIPE
from ..stillness import DEFAULT_SLACK
from ..video import CONTAINERS, DEFAULT_CRF
from .common import Announcer, add_backend_arguments, print_json, progress_bar, whole_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help=".gfv, .264, .265 or .266 file, told apart by content; - for standard input")
    parser.add_argument("output", help=f"video file ({', '.join(CONTAINERS)}); - for Matroska on standard output")
    parser.add_argument(
        "--weights", type=Path, help="weights file of the stream's model, if it is not an installed one"
    )
    parser.add_argument(
        "--crf",
        type=whole_number(0, 51),
        default=DEFAULT_CRF,
        help="quality of the H.264 that is written; 10 looks lossless",
    )
    parser.add_argument(
        "--slack",
        type=whole_number(0, 127),
        default=DEFAULT_SLACK,
        metavar="LEVELS",
        help="changes of up to so many levels of 255 are not shown; 0 shows all (default: %(default)s)",
    )
    add_backend_arguments(parser)
    parser.add_argument("-f", "--force", action="store_true", help="overwrite the output")
    parser.add_argument("--json", action="store_true", help="print the number of pictures as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no summary")


def run(args: argparse.Namespace) -> int:
    announcer = Announcer(quiet=args.quiet or args.json)
    with progress_bar("decode", quiet=args.quiet) as progress:
        count = decode(
            args.input,
            args.output,
            weights=args.weights,
            device=args.device,
            backend=args.backend,
            announce=announcer,
            slack=args.slack,
            crf=args.crf,
            force=args.force,
            progress=progress,
        )
    piped = args.output == PIPE
    if args.json:
        print_json({"pictures": count} | announcer.as_dict(), to_stderr=piped)
    elif not args.quiet and not piped:
        print(f"{count} pictures written to {args.output} ({announcer.text()})")
    return 0

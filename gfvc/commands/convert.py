"""`gfvc convert A B`: between .gfv and elementary streams, parameters and key pictures unchanged.

Needs neither torch nor FFmpeg.
"""

from __future__ import annotations

import argparse

from ..conversion import convert
from ..files import PIPE
from .common import add_carriage_arguments, print_json, print_summary, whole_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help=".gfv, .264, .265 or .266 file, told apart by content; - for standard input")
    parser.add_argument("output", help=".gfv, .264, .265 or .266 file; - for standard output")
    add_carriage_arguments(parser)
    parser.add_argument(
        "--run", type=whole_number(1, 256), default=16, dest="run_length", metavar="N", help="pictures per unit of .gfv"
    )
    parser.add_argument("-f", "--force", action="store_true", help="overwrite the output")
    parser.add_argument("--json", action="store_true", help="print the cost as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="no summary")


def run(args: argparse.Namespace) -> int:
    summary = convert(
        args.input,
        args.output,
        carriage=args.carriage,
        syntax=args.syntax,
        run=args.run_length,
        force=args.force,
    )
    piped = args.output == PIPE
    if args.json:
        print_json(summary.as_dict(), to_stderr=piped)
    elif not args.quiet:
        print_summary(summary, to_stderr=piped)
    return 0

"""`gfvc info FILE`: header, groups, units and the cost.

Needs neither torch nor FFmpeg.
"""

from __future__ import annotations

import argparse
import sys

from bitstream import read_report

from ..files import open_source
from .common import print_json, print_summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help=".gfv, .264, .265 or .266 file; - for standard input")
    parser.add_argument("--units", action="store_true", help="list every unit")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(args: argparse.Namespace) -> int:
    with open_source(args.input) as source:
        report = read_report(source)
    header, summary = report.tally.header, report.tally.summary()
    if args.json:
        print_json(
            summary.as_dict()
            | {
                "key_codec": header.key_codec,
                "chroma": header.chroma_format,
                "time_base": list(header.time_base),
                "picture_ticks": header.picture_ticks,
                "model_hash": header.model_hash.hex(),
                "colour": vars(header.colour),
                "parameter_groups": [vars(group) for group in header.layout.groups],
                "header_bytes": report.header_bytes,
                "groups": report.tally.groups,
                "units": report.units,
                "error": str(report.error) if report.error else None,
            }
        )
    else:
        print_summary(summary)
        colour_range = "full" if header.colour.full_range else "limited"
        print(
            f"key pictures: {header.key_codec} {header.chroma_format}, matrix {header.colour.matrix}, "
            f"{colour_range} range; "
            f"{header.time_base[0]}/{header.time_base[1]} s per tick, {header.picture_ticks} ticks per picture; "
            f"weights {header.model_hash.hex()}"
        )
        for number, group in enumerate(report.tally.groups):
            print(
                f"group {number}: picture {group['first_picture']} on, {group['pictures']} pictures, "
                f"key {group['key_bytes']} bytes, parameters {group['parameter_bytes']} bytes"
            )
        for unit in report.units if args.units else ():
            size, pictures = unit["size_bytes"], unit["pictures"]
            print(f"byte {unit['offset']:>8}: {unit['type']:12} {size:>6} bytes, {pictures} pictures")
    if report.error:
        print(f"gfvc: {args.input}: {report.error}", file=sys.stderr)
        return 2
    return 0

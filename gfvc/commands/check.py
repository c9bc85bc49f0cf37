"""`gfvc check FILE`: verify a stream against SPEC.md.

Needs neither torch nor FFmpeg. Exit code 0: conforming; 1: not; 2: not a stream, or not readable.
"""

from __future__ import annotations

import argparse

from bitstream.check import check_stream

from ..files import open_source
from .common import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help=".gfv file; - for standard input")
    parser.add_argument("--json", action="store_true", help="print verdict and violations as JSON")


def run(args: argparse.Namespace) -> int:
    with open_source(args.input) as source:
        report = check_stream(source)
    if args.json:
        print_json(
            {
                "conforming": report.conforming,
                "units": report.units,
                "pictures": report.pictures,
                "violations": [
                    {"clause": error.clause, "offset": error.offset, "message": error.message}
                    for error in report.violations
                ],
            }
        )
    else:
        for error in report.violations:
            print(f"clause {error.clause}, byte {error.offset}: {error.message}")
        verdict = "conforming" if report.conforming else f"NOT conforming, {len(report.violations)} violations"
        print(f"{args.input}: {verdict}; {report.units} units, {report.pictures} pictures read")
    return 0 if report.conforming else 1

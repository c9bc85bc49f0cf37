"""`gfvc check FILE`: verify a stream against SPEC.md.

Needs neither torch nor FFmpeg. Exit code 0: conforming; 1: not; 2: not a stream, or not readable.
"""

from __future__ import annotations

import argparse
from typing import Any, BinaryIO

from bitstream import BitstreamError, Header, Picture, Unit
from bitstream.check import check_stream
from bitstream.detect import GFV_FILE, detect
from bitstream.sei.check import AUTO, check_sei_stream
from bitstream.sei.describe import as_json
from bitstream.sei.messages import SYNTAXES
from bitstream.sei.parser import Parsed
from bitstream.sei.payload import GFV, SeiMessage

from ..files import open_source
from .common import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help=".gfv, .264, .265 or .266 file, told apart by content; - for standard input")
    parser.add_argument("--json", action="store_true", help="print verdict, violations and SEI messages as JSON")
    parser.add_argument(
        "--trace",
        action="store_true",
        help="print every syntax element of the SEI messages; of .gfv, fields and values",
    )
    parser.add_argument(
        "--syntax",
        choices=(AUTO, *SYNTAXES),
        default=AUTO,
        help="form of the SEI messages' syntax (SPEC.md C.4.1); auto: the one that fits",
    )


def run(args: argparse.Namespace) -> int:
    with open_source(args.input) as source:
        carriage, stream = detect(source)
        if carriage == GFV_FILE:
            return _check_file(args, stream)
        return _check_sei(args, stream, carriage)


def _violation(error: BitstreamError) -> dict[str, Any]:
    fields: dict[str, Any] = {"clause": error.clause, "offset": error.offset, "message": error.message}
    if error.bit is not None:
        fields |= {"bit": error.bit, "element": error.element, "found": error.found, "allowed": error.allowed}
    return fields


def _print_violations(errors: list[BitstreamError]) -> None:
    for error in errors:
        place = f"byte {error.offset}" if error.bit is None else f"byte {error.offset} bit {error.bit}"
        element = f"{error.element}: " if error.element and error.element not in error.message else ""
        print(f"clause {error.clause}, {place}: {element}{error.message}")


def print_header(header: Header) -> None:
    """The fields of a file header, by their names in SPEC.md clause 6.2."""
    colour = header.colour
    fields = {
        "picture_width": header.width,
        "picture_height": header.height,
        "time_base_num_minus1": header.time_base[0] - 1,
        "time_base_den_minus1": header.time_base[1] - 1,
        "picture_ticks_minus1": header.picture_ticks - 1,
        "colour_primaries": colour.primaries,
        "transfer_characteristics": colour.transfer,
        "matrix_coefficients": colour.matrix,
        "full_range_flag": int(colour.full_range),
        "key_codec": header.key_codec,
        "chroma_format": header.chroma_format,
        "family": header.family,
        "num_groups_minus1": len(header.layout.groups) - 1,
    }
    print("file header")
    for name, value in fields.items():
        print(f"  {name} {value}")
    for number, group in enumerate(header.layout.groups):
        print(
            f"  group {number}: group_count_minus1 {group.count - 1}, group_components_minus1 {group.components - 1}, "
            f"group_step_idx {group.step_index}, group_follows_flag {int(group.follows)}"
        )
    print(f"  model_name {header.model}\n  model_hash {header.model_hash.hex()}")


def print_unit(unit: Unit, pictures: list[Picture]) -> None:
    """A unit of a `.gfv` stream with time and values of its pictures."""
    print(f"{unit.type.name} unit, {unit.size} bytes at byte {unit.offset}, payload of {len(unit.payload)} bytes")
    for picture in pictures:
        print(f"  ticks {picture.ticks}, values {' '.join(map(str, picture.values))}")


def _check_file(args: argparse.Namespace, source: BinaryIO) -> int:
    trace = args.trace and not args.json
    report = check_stream(source, print_header, print_unit) if trace else check_stream(source)
    if args.json:
        print_json(
            {
                "conforming": report.conforming,
                "carriage": GFV_FILE,
                "units": report.units,
                "pictures": report.pictures,
                "violations": [_violation(error) for error in report.violations],
            }
        )
    else:
        _print_violations(report.violations)
        verdict = "conforming" if report.conforming else f"NOT conforming, {len(report.violations)} violations"
        print(f"{args.input}: {verdict}; {report.units} units, {report.pictures} pictures read")
    return 0 if report.conforming else 1


def print_trace(message: SeiMessage, parsed: Parsed) -> None:
    """Every syntax element of a message with its place in the stream."""
    kind = "GFV" if message.type == GFV else "GFVE"
    print(f"{kind} message, {message.position}, payload of {len(message.payload)} bytes at byte {message.place(0)}")
    for (name, value), position in zip(parsed.elements, parsed.positions, strict=True):
        print(f"  {message.place(position // 8):>8}.{position % 8}  {name} {value}")


def _check_sei(args: argparse.Namespace, source: BinaryIO, codec: str) -> int:
    messages: list[dict[str, Any]] = []

    def on_message(message: SeiMessage, parsed: Parsed) -> None:
        if args.json:
            messages.append(as_json(parsed, message.position, len(message.payload)))
        elif args.trace:
            print_trace(message, parsed)

    report = check_sei_stream(source, codec, args.syntax, on_message)
    if args.json:
        print_json(
            {
                "conforming": report.conforming,
                "carriage": codec,
                "syntax": report.syntax,
                "units": report.units,
                "pictures": report.pictures,
                "violations": [_violation(error) for error in report.violations],
                "warnings": [vars(warned) for warned in report.warnings],
                "messages": messages,
            }
        )
        return 0 if report.conforming else 1
    _print_violations(report.violations)
    for warned in report.warnings:
        times = f" ({warned.count} times, first here)" if warned.count > 1 else ""
        print(f"warning C.7 {warned.kind}, byte {warned.offset} bit {warned.bit}: {warned.message}{times}")
    verdict = "conforming" if report.conforming else f"NOT conforming, {len(report.violations)} violations"
    print(
        f"{args.input}: {verdict}; {codec}, {report.units} NAL units, {report.pictures} coded pictures, "
        f"{report.messages} GFV and GFVE messages, syntax {report.syntax}"
    )
    return 0 if report.conforming else 1

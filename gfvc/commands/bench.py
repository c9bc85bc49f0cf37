"""`gfvc bench`: speed of every stage and backend on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..backends.choice import DEVICES, ENGINES, installed
from ..errors import GfvcError
from .common import print_json, whole_number
from .demo import DEMO_CLIP

# Of `benchmark.references`, which takes long to import.
REFERENCES = ("resnet18", "first_order_generator", "compact_feature_generator")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", nargs="+", choices=tuple(ENGINES), help="default: all that are installed")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where torch runs")
    parser.add_argument("--size", nargs="+", type=whole_number(64, 1024), default=[256, 512], help="picture sides")
    parser.add_argument("--pictures", type=whole_number(60, 100000), default=250, help="length of the clip")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each of the times that are measured")
    parser.add_argument("--input", type=Path, default=DEMO_CLIP, help="a clip; it is scaled to each size")
    parser.add_argument(
        "--no-reference", action="store_true", help="without ResNet-18 and the generators of other codecs"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not say what is being measured")


def run(args: argparse.Namespace) -> int:
    from ..backends.choice import choose_backend
    from ..benchmark.run import benchmark

    if not args.input.exists():
        raise GfvcError(f"{args.input}: no such file")
    backends = args.backend or installed()
    for name in backends:
        choose_backend(name)
    report = benchmark(
        args.input,
        backends,
        args.size,
        device=args.device,
        pictures=args.pictures,
        seconds=args.seconds,
        references=() if args.no_reference else REFERENCES,
        progress=lambda text: None if args.quiet else print(f"gfvc: {text}", file=sys.stderr),
    )
    if args.json:
        print_json(report)
    else:
        print_report(report)
    return 0


def print_report(report: dict[str, Any]) -> None:
    """The report as tables, one column for each backend and size."""
    machine = report["machine"]
    print(f"{machine['cpu']}, {machine['cores']} cores, {' '.join(machine['cpu_features'])}; {machine['system']}")
    print(", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version))
    rows = report["results"]
    print(f"\n{'':34}" + "".join(f"{row['backend'] + ' ' + str(row['size']):>17}" for row in rows))
    print("ms of one picture, one call at a time")
    for stage in rows[0]["stages_ms"]:
        print(f"  {stage:32}" + "".join(f"{row['stages_ms'][stage]:17.2f}" for row in rows))
    for title, names in (
        ("pictures/s, all cores", [name for name in rows[0] if name.endswith("_per_s")]),
        ("start to first picture, s; MiB", ["start_s", "peak_memory_mib"]),
    ):
        print(title)
        for name in names:
            print(f"  {name.removesuffix('_pictures_per_s'):32}" + "".join(f"{row[name] or 0:17.2f}" for row in rows))
    print("latency of encoder and decoder, ms")
    for name in rows[0]["latency_ms"]:
        print(f"  {name:32}" + "".join(f"{row['latency_ms'][name]:17.2f}" for row in rows))
    print(f"{'streams decoded at 25 pictures/s':34}" + "".join(f"{row['streams']['at_25_per_s']:17}" for row in rows))
    for row in rows:
        for name, milliseconds in row.get("references_ms", {}).items():
            ratio = row["stages_ms"]["generate"] / milliseconds
            print(f"{row['backend']}: {name} {milliseconds:.1f} ms; generate at {row['size']} costs {ratio:.2f} of it")

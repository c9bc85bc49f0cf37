"""How fast GFV messages are read and written, and what they cost beside the `.gfv` coder.

    python -m eval.bench_sei [--messages 2000] [--values 20] [--json]
    python -m eval.bench_sei --streams a.gfv b.gfv     (both carriages of streams that exist, side by side)

A message holds the key points or the matrix of one driven picture, predicted. One process, one thread, pure Python;
reading starts at the bytes of the stream (NAL units, SEI, syntax, reconstruction) and ends at quantised integers.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import time
from pathlib import Path
from typing import Any

from bitstream import Colour, ElementaryReader, ElementaryWriter, Group, Header, KeyPicture, Layout, Picture
from bitstream.carriage import open_reader
from bitstream.nal import pack_nal_units
from bitstream.sei.check import check_sei_stream
from bitstream.sei.messages import SYNTAXES
from bitstream.summary import read_report
from gfvc.conversion import convert

_SETS = pack_nal_units([bytes.fromhex("4201010408000003009fa800000300003ca00808040596ea491b6b9a0020"), b"\x44\x01\x80"])
_SLICE = pack_nal_units([b"\x26\x01\xaf\x80"])


def random_walk(count: int, values: int, seed: int) -> list[tuple[int, ...]]:
    """Values of ``count`` pictures, each a few steps from the one before."""
    rng = random.Random(seed)
    row = [rng.randint(-40, 40) for _ in range(values)]
    found = []
    for _ in range(count):
        row = [value + round(rng.gauss(0, 1.5)) for value in row]
        found.append(tuple(row))
    return found


def measure(family: str, messages: int, values: int, syntax: str) -> dict[str, Any]:
    """Messages per second both ways, and bytes of one with and without its NAL unit.

    Raises RuntimeError if reading gives other values.
    """
    layout = Layout((Group(values, 2 if family == "keypoints2d" else 1, 24, False),))
    header = Header(256, 256, (1, 25), 1, Colour(), "hevc", "420", family, layout, "bench", bytes(8))
    rows = random_walk(messages + 1, values, 1)
    writer = ElementaryWriter(header, syntax)
    data = b"".join(writer.key_picture(KeyPicture(0, rows[0], _SETS, _SLICE)))
    started = time.perf_counter()
    data += b"".join(writer.parameters([Picture(1, row)]) for row in rows[1:])
    write_s = time.perf_counter() - started
    data += writer.end()
    started = time.perf_counter()
    found = [picture.values for picture in ElementaryReader(io.BytesIO(data), "hevc").pictures()]
    read_s = time.perf_counter() - started
    if found != rows:
        raise RuntimeError("other values were read")
    started = time.perf_counter()
    report = check_sei_stream(io.BytesIO(data), "hevc", syntax)
    check_s = time.perf_counter() - started
    if not report.conforming:
        raise RuntimeError(str(report.violations[0]))
    group = writer.tally.groups[0]
    return {
        "family": family,
        "values": values,
        "read_messages_per_s": round(messages / read_s),
        "check_messages_per_s": round(messages / check_s),
        "write_messages_per_s": round(messages / write_s),
        "payload_bytes": round(group["parameter_bytes"] / messages, 1),
        "nal_unit_bytes": round(len(data) / messages, 1),
    }


def compare(path: Path) -> dict[str, Any]:
    """One stream in `.gfv` and as an elementary stream: sizes, and bytes of a driven picture in each."""
    data = path.read_bytes()
    out = io.BytesIO()
    codec = open_reader(io.BytesIO(data)).header.key_codec
    convert(io.BytesIO(data), out, carriage=codec)
    row: dict[str, Any] = {"stream": path.name, "codec": codec}
    for name, stream in (("gfv", data), ("sei", out.getvalue())):
        report = read_report(io.BytesIO(stream))
        tally = report.tally
        driven = max(tally.pictures - tally.key_pictures, 1)
        carried = sum(int(unit["size_bytes"]) for unit in report.units if unit["type"] == "parameters")
        row |= {
            "pictures": tally.pictures,
            "key_pictures": tally.key_pictures,
            f"{name}_bytes": len(stream),
            f"{name}_kbps": round(tally.summary().kbps_total, 2),
            f"{name}_payload_per_driven": round(tally.parameter_bytes / driven, 2),
            f"{name}_overhead_per_driven": round((carried - tally.parameter_bytes) / driven, 2),
        }
    return row


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.bench_sei", description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--values", type=int, default=20, help="values of a message")
    parser.add_argument("--syntax", choices=SYNTAXES, default=SYNTAXES[0])
    parser.add_argument("--streams", type=Path, nargs="+", help="streams to compare in both carriages instead")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.streams:
        rows = [compare(path) for path in args.streams]
    else:
        rows = [measure(family, args.messages, args.values, args.syntax) for family in ("keypoints2d", "compact")]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

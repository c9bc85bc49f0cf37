"""Cut a manifest into parts that share no identity: train.csv, validation.csv and test.csv beside it.

python -m datasets.split MANIFEST [--shares 0.8 0.1 0.1] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gfvc.errors import GfvcError

from . import manifest
from .clips import ClipError

PARTS = ("train", "validation", "test")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m datasets.split", description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument(
        "--shares", type=float, nargs=3, default=(0.8, 0.1, 0.1), metavar=("TRAIN", "VALIDATION", "TEST")
    )
    parser.add_argument("--seed", type=int, default=0, help="decides who goes where")
    args = parser.parse_args(argv)
    if min(args.shares) < 0 or not sum(args.shares):
        parser.error("--shares: no share may be negative, and one must be above 0")
    try:
        rows = manifest.read(args.manifest)
        if "identity" not in rows[0]:
            raise ClipError(f"{args.manifest}: no column identity; without it parts cannot be kept apart")
        parts = manifest.split(rows, dict(zip(PARTS, args.shares, strict=True)), args.seed)
        for name, chosen in parts.items():
            manifest.write(args.manifest.with_name(f"{name}.csv"), chosen, list(rows[0]))
    except (ClipError, GfvcError) as error:
        print(f"python -m datasets.split: {error}", file=sys.stderr)
        return 2
    for name, chosen in parts.items():
        print(f"{name}: {len(chosen)} clips of {len({row['identity'] for row in chosen})} identities")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

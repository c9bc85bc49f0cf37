"""Original, repeated key picture and decoded pictures of a clip under each other, as one PNG.

python -m eval.contact_sheet ORIGINAL DECODED OUT.png [--columns 6]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gfvc.errors import GfvcError
from gfvc.video import VideoReader, write_png


def count_pictures(path: Path) -> int:
    with VideoReader(path) as video:
        return sum(1 for _ in video)


def pick(path: Path, indices: list[int]) -> list[np.ndarray]:
    """The pictures of a clip at rising ``indices``: uint8 [H, W, 3] each."""
    with VideoReader(path) as video:
        return [picture.rgb for index, picture in enumerate(video) if index in indices]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.contact_sheet", description=__doc__.splitlines()[0])
    parser.add_argument("original", type=Path)
    parser.add_argument("decoded", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--columns", type=int, default=6)
    args = parser.parse_args()
    try:
        total = count_pictures(args.original)
        indices = sorted({round(i) for i in np.linspace(0, total - 1, args.columns)})
        original, decoded = pick(args.original, indices), pick(args.decoded, indices)
    except GfvcError as error:
        parser.error(str(error))
    if len(original) != len(decoded):
        parser.error(f"{args.decoded}: has fewer pictures than {args.original}")
    rows = [original, [decoded[0]] * len(decoded), decoded]
    write_png(args.out, np.concatenate([np.concatenate(row, axis=1) for row in rows]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

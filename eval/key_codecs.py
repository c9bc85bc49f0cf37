"""Which key codec needs the fewest bytes: size of one intra picture at equal PSNR, over a folder of stills.

    python -m eval.key_codecs STILLS [--every N] [--json]

Sizes are payload and parameter sets together, PSNR is in RGB. Each codec's curve is interpolated at the PSNR values
given (log of the size, PCHIP over that still's own curve); BD-rate comes from the `bjontegaard` package.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import av
import bjontegaard
import numpy as np
from scipy.interpolate import PchipInterpolator
from tqdm import tqdm

from bitstream import Colour
from gfvc.key_picture import CODECS, KeyPictureCodec, encoder_name

QPS = {"av1": (25, 35, 45, 55, 63)} | dict.fromkeys(("hevc", "avc", "vvc"), (26, 32, 37, 42, 47))
REFERENCE = "hevc"


def read_still(path: Path) -> np.ndarray:
    """uint8 [H, W, 3] RGB of a picture file."""
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def curve(picture: np.ndarray, codec: str) -> list[tuple[int, float]]:
    """(bytes, PSNR in dB) at each QP of `QPS`."""
    key_codec = KeyPictureCodec(codec, picture.shape[1], picture.shape[0], Colour())
    points = []
    for qp in QPS[codec]:
        coded = key_codec.encode(picture, qp)
        error = np.mean((key_codec.decode(coded).astype(float) - picture) ** 2)
        points.append((len(coded.config) + len(coded.payload), float(10 * np.log10(255**2 / error))))
    return points


def bytes_at(points: list[tuple[int, float]], quality: float) -> float:
    """Size at a PSNR by interpolation; NaN outside the curve."""
    size, psnr = np.array(sorted(points, key=lambda point: point[1])).T
    if not psnr[0] <= quality <= psnr[-1]:
        return float("nan")
    return float(np.exp(PchipInterpolator(psnr, np.log(size))(quality)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.key_codecs", description=__doc__.splitlines()[0])
    parser.add_argument("stills", type=Path, help="folder of pictures")
    parser.add_argument("--every", type=int, default=1, help="use each n-th picture of the folder")
    parser.add_argument("--psnr", type=float, nargs="+", default=[29.0, 31.0, 33.0])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    stills = sorted(path for path in args.stills.iterdir() if path.suffix.lower() in (".jpg", ".png"))[:: args.every]
    codecs = [codec for codec in CODECS if encoder_name(codec)]
    curves = [{codec: curve(read_still(path), codec) for codec in codecs} for path in tqdm(stills, unit=" stills")]
    rows = {}
    for codec in codecs:
        sizes = {psnr: np.array([bytes_at(row[codec], psnr) for row in curves]) for psnr in args.psnr}
        rates = []
        for row in curves if codec != REFERENCE else ():
            anchor, test = zip(*sorted(row[REFERENCE]), strict=True), zip(*sorted(row[codec]), strict=True)
            rates.append(
                bjontegaard.bd_rate(*anchor, *test, method="pchip", require_matching_points=False, min_overlap=0)
            )
        rows[codec] = {
            "bytes_at_psnr": {str(psnr): float(np.nanmean(values)) for psnr, values in sizes.items()},
            "stills_at_psnr": {str(psnr): int(np.isfinite(values).sum()) for psnr, values in sizes.items()},
            "bd_rate_percent_vs_" + REFERENCE: float(np.mean(rates)) if rates else 0.0,
        }
    if args.json:
        print(json.dumps({"stills": len(stills), "codecs": rows}, indent=2))
        return 0
    print(f"{len(stills)} stills; mean bytes at equal RGB PSNR, BD-rate against {REFERENCE}")
    for codec, row in rows.items():
        sizes = "  ".join(f"{psnr} dB: {size:6.0f}" for psnr, size in row["bytes_at_psnr"].items())
        print(f"{codec:5} {sizes}  BD-rate {row['bd_rate_percent_vs_' + REFERENCE]:+.1f} %")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

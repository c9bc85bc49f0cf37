"""How fast and how tight the parameter coder is: symbols per second and size over entropy for Laplacian sources.

    python -m eval.bench_coder [--pictures 250] [--values 16] [--json]

A symbol is one parameter value of one picture. One process, one thread, pure Python.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from bitstream import Group, Layout
from bitstream.cabac import CabacDecoder, CabacEncoder
from bitstream.parameters import BinReader, BinWriter, ParameterState, code_values

SCALES = (0.5, 1.0, 2.0, 4.0, 8.0)


def laplacian_entropy(scale: float) -> float:
    """Entropy in bits of a Laplacian of this scale rounded to integers."""
    edges = np.arange(-4000.5, 4001)
    tail = 0.5 * np.exp(-np.abs(edges) / scale)
    probabilities = np.diff(np.where(edges < 0, tail, 1 - tail))
    probabilities = probabilities[probabilities > 1e-300]
    return float(-(probabilities * np.log2(probabilities)).sum())


def laplacian_pictures(layout: Layout, scale: float, pictures: int, seed: int) -> list[list[int]]:
    """Parameters whose prediction residuals are rounded Laplacians; the first picture is all zero."""
    predictor = ParameterState(layout).predictor
    residuals = np.rint(np.random.default_rng(seed).laplace(0, scale, (pictures, layout.count))).astype(int)
    values = [[0] * layout.count]
    for row in residuals:
        before, picture, moved = values[-1], [], [0]
        for index, residual in enumerate(row):
            picture.append(predictor.within_first(before, moved, index) + int(residual))
            moved[0] += picture[-1] - before[index]
        values.append(picture)
    return values


def measure(scale: float, pictures: int, values: int, seed: int) -> dict[str, float]:
    """Speed both ways and the ratio of coded size to entropy.

    Raises RuntimeError if decoding gives other values.
    """
    layout = Layout((Group(values, 1, 24, False),))
    source = laplacian_pictures(layout, scale, pictures, seed)
    state = ParameterState(layout)
    engine = CabacEncoder(state.contexts)
    code_values(BinWriter(engine), state, source[0], key=True)
    key = engine.finish()
    started = time.perf_counter()
    for picture in source[1:]:
        code_values(BinWriter(engine), state, picture, key=False)
    data = engine.finish()
    encode_s = time.perf_counter() - started
    state = ParameterState(layout)
    blank = [0] * values
    code_values(BinReader(CabacDecoder(state.contexts, key)), state, blank, key=True)
    started = time.perf_counter()
    bins = BinReader(CabacDecoder(state.contexts, data))
    decoded = [code_values(bins, state, blank, key=False) for _ in range(pictures)]
    decode_s = time.perf_counter() - started
    if decoded != source[1:]:
        raise RuntimeError("decoded parameters differ")
    symbols = pictures * values
    return {
        "scale": scale,
        "encode_symbols_per_s": round(symbols / encode_s),
        "decode_symbols_per_s": round(symbols / decode_s),
        "size_over_entropy": round(len(data) * 8 / (symbols * laplacian_entropy(scale)), 4),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.bench_coder", description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=250)
    parser.add_argument("--values", type=int, default=16, help="values of a picture")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = [measure(scale, args.pictures, args.values, args.seed) for scale in SCALES]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    print("scale  encode symbols/s  decode symbols/s  size / entropy")
    for row in rows:
        print(
            f"{row['scale']:5.1f}  {row['encode_symbols_per_s']:16d}  {row['decode_symbols_per_s']:16d}  "
            f"{row['size_over_entropy']:14.3f}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

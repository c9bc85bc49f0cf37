"""Does decoding beat repeating the key picture? Rates and quality of every clip of a folder, against the frozen first
picture.

    python -m eval.freeze CLIPS [--out DIR] [--json] [options of gfvc encode]

PSNR-Y (dB, luma of BT.601 from RGB) and MS-SSIM (piq, on that luma) are means over pictures of the decoded pictures,
before any re-encoding for playback; `freeze` is the same for the first decoded key picture repeated.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import piq
import torch

from bitstream import StreamReader
from datasets.clips import list_clips
from gfvc.commands.encode import add_encoding_arguments, options_from
from gfvc.decoder import Decoder
from gfvc.encoder import encode
from gfvc.options import EncoderOptions
from gfvc.video import VideoReader

LUMA = np.array([0.299, 0.587, 0.114])


def luma(rgb: np.ndarray) -> torch.Tensor:
    """uint8 [H, W, 3] -> float [1, 1, H, W], 0..255."""
    return torch.from_numpy(rgb.astype(np.float32) @ LUMA.astype(np.float32))[None, None]


def scores(original: torch.Tensor, other: torch.Tensor) -> tuple[float, float]:
    """(PSNR in dB, MS-SSIM)."""
    error = float(((original - other) ** 2).mean())
    return 10 * np.log10(255**2 / max(error, 1e-6)), float(
        piq.multi_scale_ssim(original, other.clamp(0, 255), data_range=255)
    )


def measure_clip(clip: Path, folder: Path, options: EncoderOptions) -> dict[str, float | int | str]:
    """Encode, decode and score one clip."""
    stream = folder / f"{clip.stem}.gfv"
    started = time.perf_counter()
    summary = encode(clip, stream, options, force=True)
    encode_s = time.perf_counter() - started
    rows, frozen, decode_s = [], None, 0.0
    with stream.open("rb") as source, VideoReader(clip) as video:
        reader = StreamReader(source)
        decoder = Decoder(reader.header, weights=options.weights, device=options.device)
        for original, picture in zip(video, reader.pictures(), strict=True):
            started = time.perf_counter()
            shown = luma(decoder.push(picture).rgb)
            decode_s += time.perf_counter() - started
            frozen = shown if frozen is None else frozen
            reference = luma(original.rgb)
            rows.append((*scores(reference, shown), *scores(reference, frozen)))
    psnr, ms_ssim, psnr_freeze, ms_ssim_freeze = np.mean(rows, axis=0)
    return {
        "clip": clip.stem,
        **asdict(summary),
        "psnr_y": psnr,
        "psnr_y_freeze": psnr_freeze,
        "ms_ssim": ms_ssim,
        "ms_ssim_freeze": ms_ssim_freeze,
        "encode_fps": len(rows) / encode_s,
        "decode_fps": len(rows) / decode_s,
    }


def describe(row: dict[str, float | int | str]) -> str:
    """One line for one clip; what the frozen key picture reaches stands in brackets."""
    return (
        f"{row['clip']:20} {row['kbps_total']:5.2f} kbit/s (key {row['kbps_key']:.2f}, "
        f"parameters {row['kbps_parameters']:.2f}, overhead {row['kbps_overhead']:.3f})  "
        f"keys {row['key_pictures']}  PSNR-Y {row['psnr_y']:.2f} ({row['psnr_y_freeze']:.2f})  "
        f"MS-SSIM {row['ms_ssim']:.4f} ({row['ms_ssim_freeze']:.4f})"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.freeze", description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, help="folder of face videos")
    parser.add_argument("--out", type=Path, default=Path("runs/freeze"), help="folder for the streams")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    add_encoding_arguments(parser)
    args = parser.parse_args()
    options = options_from(args)
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for clip in list_clips(args.clips):
        row = measure_clip(clip, args.out, options)
        rows.append(row)
        if not args.json:
            print(describe(row), flush=True)
    numeric = [key for key, value in rows[0].items() if not isinstance(value, str)]
    mean = {key: float(np.mean([row[key] for row in rows])) for key in numeric}
    if args.json:
        print(json.dumps({"clips": rows, "mean": mean}, indent=2))
    else:
        print("mean  " + "  ".join(f"{key} {value:.4g}" for key, value in mean.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

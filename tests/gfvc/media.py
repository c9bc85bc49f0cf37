"""Clips for the tests: written with PyAV alone, so that a fault of `gfvc.video` does not hide itself."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "gfvc" / "data" / "astronaut.mp4"
SHARED = ROOT.parent / "shared"


def read_clip(path: Path, count: int | None = None) -> list[np.ndarray]:
    """The first ``count`` pictures as uint8 [H, W, 3] RGB."""
    pictures = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if len(pictures) == count:
                break
            pictures.append(frame.to_ndarray(format="rgb24"))
    return pictures


def read_times(path: Path) -> list[Fraction]:
    """Presentation times in seconds, the first one 0."""
    with av.open(str(path)) as container:
        times = [frame.pts * Fraction(frame.time_base) for frame in container.decode(video=0)]
    return [time - times[0] for time in times]


def scaled(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 [H, W, 3] area-reduced to [height, width, 3]."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return frame.reformat(width, height, "rgb24", interpolation="AREA").to_ndarray()


def write_clip(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    rate: Fraction = Fraction(25),
    ticks: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
) -> Path:
    """Write pictures at a constant ``rate``, or at ``ticks`` of ``time_base``; codec ffv1 with bgr0 is lossless."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        clock = time_base or 1 / rate
        stream.codec_context.time_base = clock
        if codec == "libx264":
            stream.codec_context.options = {"crf": "8", "preset": "ultrafast"}
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(
                format=pixel_format
            )
            frame.pts = ticks[index] if ticks else index
            frame.time_base = clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_lossless(path: Path, pictures: Sequence[np.ndarray], **timing: object) -> Path:
    """RGB without loss, in Matroska: what is read is what was written."""
    return write_clip(path, pictures, codec="ffv1", pixel_format="bgr0", **timing)


def write_sound(path: Path) -> Path:
    """A WAV file: half a second of silence, and no video stream."""
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=16000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of uint8 pictures in dB."""
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))

"""Pictures and video of the report: original, ours and each anchor at the bitrate nearest to ours."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import math
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from gfvc.video import VideoReader, open_writer, write_png

from .results import Results, Row

VIDEO_SECONDS = 4
VIDEO_CRF = 20


@dataclass(frozen=True)
class Shown:
    """A column: the curve (empty for the original), and the row of the point that stands for it."""

    curve: str
    row: Row | None


def columns(results: Results, clip: str, ours: Row) -> list[Shown]:
    """The original, our point, and of every other curve the point whose bitrate is nearest to ours (as a ratio)."""
    found = [Shown("", None), Shown(ours["curve"], ours)]
    for curve in results.curves:
        rows = results.select(curve, clip)
        if curve.startswith("gfvc") or not rows:
            continue
        found.append(Shown(curve, min(rows, key=lambda row: abs(math.log(row["kbps"] / ours["kbps"])))))
    return found


def _file(shown: Shown, folder: Path, original: Path) -> Path:
    return original if shown.row is None else folder / shown.row["view"]


def _picture(path: Path, index: int) -> np.ndarray:
    with VideoReader(path) as video:
        return next(picture.rgb for number, picture in enumerate(video) if number == index)


def still(shown: Shown, folder: Path, original: Path, index: int) -> str:
    """Picture ``index`` of a column as a data URI of a PNG file."""
    with tempfile.TemporaryDirectory(prefix="gfvc-") as scratch:
        path = Path(scratch, "still.png")
        write_png(path, _picture(_file(shown, folder, original), index))
        return _uri("image/png", path.read_bytes())


def video(shown: list[Shown], folder: Path, original: Path, pictures: int) -> str:
    """The columns side by side, the first seconds, as a data URI of an H.264 MP4 file."""
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(VideoReader(_file(entry, folder, original))) for entry in shown]
        info = readers[0].info
        wide = dataclasses.replace(info, width=info.width * len(readers))
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gfvc-")), "video.mp4")
        count = min(pictures, int(Fraction(VIDEO_SECONDS) / (info.time_base * info.picture_ticks)))
        with open_writer(path, wide, crf=VIDEO_CRF) as writer:
            for number, row in enumerate(zip(*readers, strict=False)):
                if number == count:
                    break
                writer.write(row[0]._replace(rgb=np.concatenate([picture.rgb for picture in row], axis=1)))
        return _uri("video/mp4", path.read_bytes())


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"

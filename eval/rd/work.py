"""One piece of work: code a clip at an operating point, decode it, measure it.

It runs in a process of its own, on any machine: what it needs comes in the arguments, what it makes goes back as bytes.
"""

from __future__ import annotations

import io
import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bitstream.carriage import open_reader
from gfvc.decoder import Decoder
from gfvc.encoder import Encoder
from gfvc.options import EncoderOptions
from gfvc.video import TimedPicture, VideoInfo, VideoReader, open_writer

from . import anchors
from .metrics import METRICS, build
from .points import Point

# Pictures measured at once: fast enough, and memory stays small.
BATCH = 8
# Of the view of the decoded pictures, for people to look at: visually lossless.
VIEW_CRF = 12


@dataclass(frozen=True)
class Task:
    """A clip (file name and content), a point, how many pictures, and which metrics are wanted.

    stream: the coded file if it is known already; then only the metrics are made.
    """

    clip: str
    data: bytes
    point: Point
    frames: int
    metrics: tuple[str, ...]
    weights_dir: Path | None = None
    stream: bytes | None = None


@dataclass
class Outcome:
    """coded: what coding gave (empty if it was known); values: metric -> one value a picture; files: name suffix ->
    content."""

    coded: dict[str, Any] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def pictures(data: bytes, frames: int) -> tuple[VideoInfo, Iterator[TimedPicture], VideoReader]:
    """The first ``frames`` pictures of a video file's content; the reader has to be closed."""
    reader = VideoReader(io.BytesIO(data))
    return reader.info, itertools.islice(reader, frames), reader


def duration_s(count: int, info: VideoInfo) -> float:
    """Of ``count`` pictures at the usual distance, as every rate here counts it."""
    return float(count * info.picture_ticks * Fraction(info.time_base))


def code(task: Task) -> tuple[bytes, dict[str, Any]]:
    """(the file, what it cost): bytes by kind for gfvc, pictures, seconds, encoding time."""
    info, source, reader = pictures(task.data, task.frames)
    count, started = 0, time.perf_counter()

    def counted() -> Iterator[TimedPicture]:
        nonlocal count
        for picture in source:
            count += 1
            yield picture

    facts: dict[str, Any] = {}
    point = task.point
    with reader:
        if point.ours:
            stream, facts = _code_ours(point, counted(), info)
        else:
            rgb = (picture.rgb for picture in counted())
            stream = anchors.encode(anchors.ANCHORS[point.codec], rgb, info, point.qp, half_size=point.half_size)
    seconds = duration_s(count, info)
    return stream, facts | {
        "pictures": count,
        "width": info.width,
        "height": info.height,
        "duration_s": seconds,
        "size_bytes": len(stream),
        "kbps": len(stream) * 8 / 1000 / seconds,
        "encode_s": time.perf_counter() - started,
    }


def _code_ours(point: Point, source: Iterator[TimedPicture], info: VideoInfo) -> tuple[bytes, dict[str, Any]]:
    options = EncoderOptions(
        family=point.codec,
        key_qp=point.qp,
        quantiser=point.quantiser,
        key_refresh=point.key_refresh,
        device="cpu",
    )
    encoder = Encoder(info, options, carriage=point.carriage)
    parts = [encoder.header_bytes()]
    for picture in source:
        parts += encoder.push(picture)
    parts += encoder.flush()
    summary = encoder.tally.summary()
    costs = {name: getattr(summary, name) for name in ("kbps_key", "kbps_parameters", "kbps_overhead", "key_pictures")}
    return b"".join(parts), costs | {"model": summary.model}


def decode(point: Point, stream: bytes, info: VideoInfo) -> Iterator[np.ndarray]:
    """The pictures of a coded file, uint8 [H, W, 3] RGB at the size of the original."""
    if not point.ours:
        yield from anchors.decode(anchors.ANCHORS[point.codec], stream, info)
        return
    reader = open_reader(io.BytesIO(stream))
    decoder = Decoder(reader.header, device="cpu")
    for picture in reader.pictures():
        yield decoder.push(picture).rgb


def to_planes(batch: list[np.ndarray]) -> Tensor:
    """uint8 [H, W, 3] each -> float [B, 3, H, W], 0..255, plane by plane: pixel by pixel the
    metrics take twice the time."""
    return torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).contiguous().float()


def run(task: Task) -> Outcome:
    """Do the task.

    Raises GfvcError and its kinds.
    """
    outcome = Outcome()
    stream = task.stream
    if stream is None:
        stream, outcome.coded = code(task)
        outcome.files[task.point.suffix] = stream
    measures = {name: build(name, task.weights_dir) for name in task.metrics}
    values: dict[str, list[float]] = {name: [] for name in measures}
    info, source, reader = pictures(task.data, task.frames)
    view = io.BytesIO()
    decode_s, count = 0.0, 0
    shown = decode(task.point, stream, info)
    with reader, open_writer(view, info, crf=VIEW_CRF) as writer:
        before: tuple[np.ndarray, np.ndarray] | None = None
        while True:
            originals = list(itertools.islice(source, BATCH))
            started = time.perf_counter()
            decoded = list(itertools.islice(shown, len(originals) or 1))
            decode_s += time.perf_counter() - started
            if len(originals) != len(decoded):
                raise ValueError(f"{task.point.name} of {task.clip}: other picture counts after decoding")
            if not originals:
                break
            for original, picture in zip(originals, decoded, strict=True):
                writer.write(TimedPicture(picture, original.pts))
            count += len(originals)
            _measure(measures, [picture.rgb for picture in originals], decoded, before, values)
            before = originals[-1].rgb, decoded[-1]
    outcome.values = values
    if outcome.coded:
        outcome.coded["decode_s"] = decode_s
        outcome.files[".view.mkv"] = view.getvalue()
    return outcome


def _measure(
    measures: dict[str, Any],
    originals: list[np.ndarray],
    decoded: list[np.ndarray],
    before: tuple[np.ndarray, np.ndarray] | None,
    values: dict[str, list[float]],
) -> None:
    a, b = to_planes(originals), to_planes(decoded)
    for name, measure in measures.items():
        if not METRICS[name].temporal:
            values[name] += [float(value) for value in measure(a, b)]
        elif before is None:
            values[name] += [float(value) for value in measure(a, b)] if len(a) > 1 else []
        else:
            pair = (torch.cat([to_planes([old]), new]) for old, new in zip(before, (a, b), strict=True))
            values[name] += [float(value) for value in measure(*pair)]


def mean(values: list[float]) -> float:
    """Mean of the values that are numbers; NaN if there is none."""
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else float("nan")

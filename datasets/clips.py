"""Clips for training: every picture of a folder of videos, decoded once into one memory-mapped file of small RGB
pictures."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
import numpy as np

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".avi")
STILL_SUFFIXES = (".jpg", ".jpeg", ".png")


class ClipError(ValueError):
    """A folder without clips, or labels that do not fit them."""


@dataclass(frozen=True)
class FrameCache:
    """Decoded pictures of a folder.

    frames: uint8 [N, S, S, 3], RGB, memory-mapped; clips: name, first row and number of rows of each clip; step: each
    step-th picture of the clip was kept; skipped: files that could not be read, with the reason.
    """

    frames: np.ndarray
    clips: tuple[tuple[str, int, int], ...]
    step: int
    skipped: tuple[tuple[str, str], ...]


def list_clips(folder: Path, *, stills: bool = False) -> list[Path]:
    """Video files in and below ``folder`` in name order, with ``stills`` pictures too.

    Raises ClipError if there is none.
    """
    if not folder.is_dir():
        raise ClipError(f"{folder}: not a folder; a folder of video files is expected")
    suffixes = VIDEO_SUFFIXES + (STILL_SUFFIXES if stills else ())
    clips = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if not clips:
        raise ClipError(f"{folder}: no files of the kinds {', '.join(suffixes)} in it or below it")
    return clips


def read_pictures(path: Path, size: int, step: int = 1) -> Iterator[np.ndarray]:
    """Each ``step``-th picture of a clip, its central square scaled to uint8 [size, size, 3] RGB."""
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ClipError("no video stream")
        for index, frame in enumerate(container.decode(video=0)):
            if index % step:
                continue
            side = min(frame.width, frame.height)
            if side == frame.width == frame.height:
                yield frame.reformat(size, size, "rgb24", interpolation="AREA").to_ndarray()
                continue
            top, left = (frame.height - side) // 2, (frame.width - side) // 2
            square = np.ascontiguousarray(frame.to_ndarray(format="rgb24")[top : top + side, left : left + side])
            small = av.VideoFrame.from_ndarray(square, format="rgb24").reformat(size, size, interpolation="AREA")
            yield small.to_ndarray()


def _cache_key(clips: list[Path], size: int, step: int) -> str:
    described = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in clips]
    return hashlib.sha256(json.dumps([described, size, step]).encode()).hexdigest()[:16]


def build_frame_cache(
    folders: Sequence[Path],
    cache: Path,
    size: int,
    step: int = 1,
    progress: Callable[[list[Path]], Iterator[Path]] = iter,
) -> FrameCache:
    """Decode the clips and stills of ``folders`` into ``cache`` (or reuse what lies there for the same files, size and
    step).

    A still is a clip of one picture. Raises ClipError if nothing can be read; a file that cannot be read is in
    ``skipped``.
    """
    # A clip's name is its path below its folder: VoxCeleb has the same file names under many identities.
    names = {
        path: path.relative_to(folder).with_suffix("").as_posix()
        for folder in folders
        for path in list_clips(folder, stills=True)
    }
    paths = list(names)
    stem = cache / f"frames-{size}-{_cache_key(paths, size, step)}"
    raw, index = stem.with_suffix(".rgb"), stem.with_suffix(".json")
    if not index.exists():
        cache.mkdir(parents=True, exist_ok=True)
        clips, skipped, total = [], [], 0
        with whole_file(raw) as out:
            for path in progress(paths):
                pictures = []
                try:
                    pictures.extend(read_pictures(path, size, step))
                except (av.FFmpegError, OSError, ClipError) as error:
                    skipped.append((str(path), str(error)))
                if not pictures:
                    continue
                out.write(np.stack(pictures).tobytes())
                clips.append((names[path], total, len(pictures)))
                total += len(pictures)
            if not clips:
                raise ClipError(f"{', '.join(map(str, folders))}: none of {len(paths)} files has a readable picture")
        index.write_text(json.dumps({"clips": clips, "skipped": skipped}))
    described = json.loads(index.read_text())
    clips = tuple((name, start, count) for name, start, count in described["clips"])
    frames = np.memmap(raw, dtype=np.uint8, mode="r").reshape(-1, size, size, 3)
    return FrameCache(frames, clips, step, tuple((name, reason) for name, reason in described["skipped"]))


def load_landmarks(cache: FrameCache, labels: Path, vertices: tuple[int, ...]) -> np.ndarray:
    """Labels written by `datasets.landmarks` for the pictures of ``cache``: float32 [N, len(vertices), 2], NaN where
    unknown.

    Raises ClipError if the folder holds no label for any clip, or a label file is shorter than its clip.
    """
    marks = np.full((len(cache.frames), len(vertices), 2), np.nan, dtype=np.float32)
    found = 0
    for name, start, count in cache.clips:
        path = labels / f"{name}.npy"
        if not path.exists():
            continue
        rows = np.load(path, allow_pickle=False)[:: cache.step]
        if len(rows) < count:
            raise ClipError(f"{path}: {len(rows)} labels for {count} pictures of {name}; label the clips again")
        marks[start : start + count] = rows[:count][:, list(vertices)]
        found += 1
    if not found:
        raise ClipError(f"{labels}: no labels for these clips; make them with python -m datasets.landmarks")
    return marks


class Outlines(NamedTuple):
    """Labels written by `datasets.outlines` for the pictures of a cache.

    points: float32 [N, 5, 2], NaN where unknown; masks: uint8 [M, S, S], memory-mapped; row: int64 [N], each picture's
    row in ``masks``, -1 where it has none.
    """

    points: np.ndarray
    masks: np.ndarray
    row: np.ndarray


def load_outlines(frames: FrameCache, labels: Path, cache: Path) -> Outlines | None:
    """The outlines of the pictures of ``frames``, None if the folder has none; the masks are kept in one file in
    ``cache``.

    Raises ClipError if a label file is shorter than its clip.
    """
    found = {name: labels / f"{name}.outline.npz" for name, _, _ in frames.clips}
    paths = [path for path in found.values() if path.exists()]
    if not paths:
        return None
    points = np.full((len(frames.frames), 5, 2), np.nan, dtype=np.float32)
    rows = np.full(len(frames.frames), -1, dtype=np.int64)
    stored = cache / f"masks-{_cache_key(paths, 0, frames.step)}.npy"
    masks, total = [], 0
    for name, start, count in frames.clips:
        path = found[name]
        if not path.exists():
            continue
        with np.load(path, allow_pickle=False) as file:
            own = file["points"][:: frames.step]
            if len(own) < count:
                raise ClipError(f"{path}: {len(own)} labels for {count} pictures of {name}; label the clips again")
            if not stored.exists():
                masks.append(file["masks"][:: frames.step][:count])
        points[start : start + count] = own[:count]
        rows[start : start + count] = np.arange(total, total + count)
        total += count
    if masks:
        write_array(np.concatenate(masks), stored)
    return Outlines(points, np.load(stored, mmap_mode="r", allow_pickle=False), rows)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which gets the name ``path`` when it is whole and is deleted on any failure.

    Until then its name is its own: processes of one training run may build the same cache at once.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as handle:
            yield handle
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_array(values: np.ndarray, path: Path) -> None:
    """Save an array so that no reader, nor another process that writes the same, meets half a file."""
    with whole_file(path) as handle:
        np.save(handle, values)

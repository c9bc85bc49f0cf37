"""Results kept by what they came from: the clip's content, the point's options, the code and the libraries.

A folder for each (clip, point): `coded.json` and the coded file, one JSON for each metric. A file appears when it is
whole, so a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import av

import gfvc
from datasets import weights
from gfvc.files import replacing
from gfvc.models.registry import DEFAULTS, weights_path

from . import anchors
from .metrics import METRICS
from .points import Point
from .work import Outcome, Task

_ROOT = Path(gfvc.__file__).resolve().parent.parent
# What a coded file and its decoded pictures depend on.
_CODEC_SOURCES = ("gfvc/*.py", "gfvc/models/*.py", "bitstream/*.py", "bitstream/sei/*.py")
_ANCHOR_SOURCES = ("eval/rd/anchors.py", "eval/rd/scaling.py", "gfvc/colour.py", "gfvc/video.py")
_METRIC_SOURCES = ("eval/rd/metrics.py", "eval/rd/learned.py", "eval/rd/faces.py")


def digest(value: Any) -> str:
    """16 hex digits of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@functools.cache
def sources(patterns: tuple[str, ...]) -> str:
    """Hash of the source files that ``patterns`` name."""
    files = sorted(path for pattern in patterns for path in _ROOT.glob(pattern))
    return digest([[path.name, hashlib.sha256(path.read_bytes()).hexdigest()] for path in files])


@functools.cache
def _ffmpeg() -> str:
    return json.dumps(av.library_versions, sort_keys=True)


def version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


class Cache:
    """The cache below ``folder``; weights_dir as in the command line."""

    def __init__(self, folder: Path, weights_dir: Path | None) -> None:
        self.folder, self.weights_dir = folder, weights_dir
        folder.mkdir(parents=True, exist_ok=True)

    def place(self, clip_sha256: str, point: Point, frames: int) -> Path:
        """The folder of a point's results."""
        if point.ours:
            model = hashlib.sha256(weights_path(DEFAULTS[point.codec]).read_bytes()).hexdigest()
            made_by = [sources(_CODEC_SOURCES), model, version("torch")]
        else:
            made_by = [sources(_ANCHOR_SOURCES), anchors.describe(anchors.ANCHORS[point.codec], point.qp)]
        return self.folder / digest([clip_sha256, frames, point.as_dict(), made_by, _ffmpeg()])

    @functools.cache  # noqa: B019 - one cache object a run
    def _metric_file(self, name: str) -> str:
        files = [weights.sha256_of(weights.find(file, self.weights_dir)) for file in METRICS[name].files]
        made_by = [
            sources(_METRIC_SOURCES),
            files,
            [version(package) for package in ("piq", "pytorch-msssim", "lpips", "torch")],
        ]
        return f"{name}-{digest(made_by)}.json"

    def coded(self, place: Path) -> dict[str, Any] | None:
        """What coding gave, if it is there."""
        return _read(place / "coded.json")

    def values(self, place: Path, name: str) -> list[float] | None:
        """The values of a metric, one a picture, if they are there; null is NaN."""
        stored = _read(place / self._metric_file(name))
        return None if stored is None else [float("nan") if value is None else value for value in stored]

    def store(self, place: Path, task: Task, outcome: Outcome) -> None:
        """Keep an outcome; the file that says a part is there is written last."""
        place.mkdir(exist_ok=True)
        for suffix, data in outcome.files.items():
            _write(place / f"{task.point.name}{suffix}", data)
        if outcome.coded:
            _write(place / "coded.json", json.dumps(outcome.coded).encode())
        for name, values in outcome.values.items():
            plain = [None if value != value else value for value in values]
            _write(place / self._metric_file(name), json.dumps(plain).encode())


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _write(path: Path, data: bytes) -> None:
    with replacing(path, force=True) as partial:
        partial.write_bytes(data)

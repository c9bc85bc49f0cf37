"""The whole benchmark: every backend and picture size in turn, and the machine they ran on."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from ..backends.choice import ENGINES, choose_backend
from ..encoder import encode
from ..errors import GfvcError
from ..video import TimedPicture, VideoReader, open_writer


def machine() -> dict[str, Any]:
    """What a figure depends on: processor, cores, system, versions."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    flags: list[str] = []
    if cpuinfo.exists():
        rows = dict(line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
        rows = {key.strip(): value.strip() for key, value in rows.items()}
        name = rows.get("model name", name)
        known = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
        flags = [flag for flag in known if flag in rows.get("flags", "").split()]
    versions = {}
    for package in ("gfvc", "numpy", "av", *ENGINES):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "cpu": name,
        "cpu_features": flags,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def scaled_clip(source: Path, target: Path, size: int, count: int) -> None:
    """The first ``count`` pictures of a clip, repeated from its start if it has fewer, at size x size, as H.264."""
    with VideoReader(source) as video:
        info = dataclasses.replace(video.info, width=size, height=size)
        frames = [picture.rgb for picture in itertools.islice(video, min(count, 200))]
    frames = [
        np.ascontiguousarray(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(size, size, "rgb24").to_ndarray())
        for rgb in frames
    ]
    # There and back again, so that no scene is cut.
    order = itertools.cycle([*range(len(frames)), *range(len(frames) - 2, 0, -1)])
    with open_writer(target, info, force=True) as writer:
        for number, index in enumerate(itertools.islice(order, count)):
            writer.write(TimedPicture(frames[index], number * info.picture_ticks))


def benchmark(
    clip: Path,
    backends: Sequence[str],
    sizes: Sequence[int],
    *,
    device: str = "auto",
    pictures: int = 250,
    seconds: float = 1.0,
    references: Sequence[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure each of ``backends`` at each of ``sizes``; references are measured at the first size only.

    ``seconds``: for each of the times and numbers of streams. Raises GfvcError if a measurement fails.
    """
    report: dict[str, Any] = {"machine": machine(), "clip": clip.name, "pictures": pictures, "results": []}
    with tempfile.TemporaryDirectory(prefix="gfvc-") as folder:
        for number, size in enumerate(sizes):
            source, stream = Path(folder, f"{size}.mp4"), Path(folder, f"{size}.gfv")
            progress(f"clip of {size}x{size}")
            scaled_clip(clip, source, size, pictures)
            encode(source, stream)
            for backend in backends:
                _, where = choose_backend(backend, device)
                job = {
                    "stream": str(stream),
                    "clip": str(source),
                    "backend": backend,
                    "device": where,
                    "seconds": seconds,
                    "references": [] if number else list(references),
                }
                # Once to make the engine's graphs, which are kept; then to measure.
                progress(f"{backend}, {size}x{size}")
                _child(job | {"warm_up": True})
                report["results"].append({"backend": backend, "device": where, "size": size} | _child(job))
    return report


def _child(job: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "gfvc.benchmark.worker", json.dumps(job | {"started": time.time()})]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise GfvcError(f"benchmark of {job['backend']}: exit code {done.returncode}: {last}")
    return json.loads(done.stdout.splitlines()[-1])

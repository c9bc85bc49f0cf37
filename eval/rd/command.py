"""`python -m eval rd --clips DIR --out DIR`: code, measure, compare, report."""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
from tqdm import tqdm

from datasets import manifest, weights
from datasets.clips import ClipError, list_clips
from gfvc.cli import OneLineParser
from gfvc.commands.common import whole_number
from gfvc.errors import GfvcError, MissingPackageError
from gfvc.models.families import FAMILIES
from gfvc.version import __version__

from . import results as results_file
from . import schedule
from .anchors import ANCHORS
from .cache import Cache, version
from .conditions import Conditions, load, narrow
from .metrics import METRICS, build
from .points import Point, plan
from .work import Outcome, Task, mean

PACKAGES = ("numpy", "torch", "av", "piq", "pytorch-msssim", "lpips", "bjontegaard", "face-alignment")


def parser() -> argparse.ArgumentParser:
    made = OneLineParser(prog="python -m eval rd", description=__doc__.splitlines()[0])
    made.add_argument(
        "--clips",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of face videos, one video, or a manifest (.csv)",
    )
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="results; the cache is in DIR/cache")
    made.add_argument(
        "--conditions", default="default", metavar="FILE", help="TOML file, or a name in eval/conditions (default)"
    )
    made.add_argument("--families", nargs="+", choices=sorted(FAMILIES), help="instead of the conditions' own")
    made.add_argument("--carriages", nargs="+", choices=("gfv", "avc", "hevc", "vvc"), help="the same")
    made.add_argument("--anchors", nargs="*", choices=sorted(ANCHORS), help="the same; none leaves all out")
    made.add_argument(
        "--metrics", nargs="+", choices=list(METRICS), metavar="NAME", help="the same: " + ", ".join(METRICS)
    )
    made.add_argument("--frames", type=whole_number(2, 1 << 30), metavar="N", help="pictures of each clip at most")
    made.add_argument("--weights-dir", type=Path, metavar="DIR", help="weights of metrics (default: the cache folder)")
    made.add_argument("--no-fetch", action="store_true", help="do not try to fetch missing weights of metrics")
    made.add_argument("--jobs", type=whole_number(1, 1024), metavar="N", help="processes (default: one a core)")
    made.add_argument("--ray", metavar="ADDRESS", help="run on a Ray cluster instead; auto for this machine's own")
    made.add_argument("--no-report", action="store_true", help="points.csv and summary.json only")
    made.add_argument("--json", action="store_true", help="print summary.json at the end")
    made.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    return made


def find_clips(folder: Path) -> dict[str, Path]:
    """Clip name -> file of a folder (names are paths below it without suffix), a manifest (.csv) or one video.

    Raises GfvcError if there is none.
    """
    try:
        if folder.suffix.lower() == ".csv":
            return manifest.clips(folder)
        if folder.is_file():
            return {folder.stem: folder}
        return {path.relative_to(folder).with_suffix("").as_posix(): path for path in list_clips(folder)}
    except ClipError as error:
        raise GfvcError(f"--clips {error}") from None


def usable_metrics(
    conditions: Conditions, weights_dir: Path | None, *, fetch: bool
) -> tuple[list[str], dict[str, str]]:
    """(metrics that can be computed here, the others with what to do about it).

    Raises GfvcError if weights are there but are not the right ones.
    """
    able, absent = [], {}
    for name in conditions.metrics:
        try:
            for file in METRICS[name].files:
                weights.find(file, weights_dir, fetch=fetch)
            build(name, weights_dir)
        except (weights.WeightsMissingError, MissingPackageError) as error:
            absent[name] = str(error)
        else:
            able.append(name)
    return able, absent


class Run:
    """One run: what is to be done, and what has been found."""

    def __init__(self, clips: dict[str, Path], points: list[Point], frames: int, metrics: list[str], cache: Cache):
        self.points, self.frames, self.metrics, self.cache = points, frames, metrics, cache
        self.data = clips
        self.sha256 = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in clips.items()}
        self.failures: dict[str, str] = {}

    def missing(self, clip: str, point: Point) -> list[str]:
        """Metrics that the cache lacks; all if the point is not coded yet."""
        place = self.cache.place(self.sha256[clip], point, self.frames)
        if self.cache.coded(place) is None:
            return self.metrics
        return [name for name in self.metrics if self.cache.values(place, name) is None]

    def todo(self) -> list[tuple[str, Point]]:
        """What the cache does not answer, ours first: those take longest."""
        pairs = [(clip, point) for point in self.points for clip in self.data]
        return [
            (clip, point)
            for clip, point in pairs
            if self.cache.coded(self.cache.place(self.sha256[clip], point, self.frames)) is None
            or self.missing(clip, point)
        ]

    def tasks(self, todo: list[tuple[str, Point]]) -> Iterator[tuple[tuple[str, Point, Task], Task]]:
        for clip, point in todo:
            place = self.cache.place(self.sha256[clip], point, self.frames)
            stream = place / f"{point.name}{point.suffix}"
            known = stream.read_bytes() if self.cache.coded(place) is not None else None
            metrics = tuple(self.missing(clip, point))
            task = Task(clip, self.data[clip].read_bytes(), point, self.frames, metrics, self.cache.weights_dir, known)
            yield (clip, point, task), task

    def keep(self, clip: str, point: Point, task: Task, outcome: Outcome | Exception) -> None:
        if isinstance(outcome, Exception):
            self.failures[f"{clip}: {point.name}"] = f"{type(outcome).__name__}: {outcome}"
            return
        self.cache.store(self.cache.place(self.sha256[clip], point, self.frames), task, outcome)

    def rows(self, base: Path) -> list[dict[str, Any]]:
        """Rows of points.csv of all that is there; files relative to ``base``."""
        found = []
        for clip in self.data:
            for point in self.points:
                place = self.cache.place(self.sha256[clip], point, self.frames)
                coded = self.cache.coded(place)
                if coded is None:
                    continue
                row = {"clip": clip, "curve": point.curve, "point": point.name, "codec": point.codec, "qp": point.qp}
                row |= {"half_size": point.half_size} | dict.fromkeys(results_file.COLUMNS[12:16], float("nan")) | coded
                row["stream"] = os.path.relpath(place / f"{point.name}{point.suffix}", base)
                row["view"] = os.path.relpath(place / f"{point.name}.view.mkv", base)
                row |= {name: mean(self.cache.values(place, name) or []) for name in self.metrics}
                found.append(row)
        return found


def _commit() -> str | None:
    """The checkout's commit, with -dirty if files differ from it; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _machine() -> dict[str, Any]:
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"system": f"{platform.system()} {platform.machine()}", "cpu": model, "cores": os.cpu_count()}


def main(argv: list[str]) -> int:
    """Exit code 0, or 1 if points failed; raises GfvcError for bad options."""
    args = parser().parse_args(argv)
    conditions = narrow(
        load(args.conditions),
        families=args.families,
        carriages=args.carriages,
        anchors=args.anchors,
        metrics=args.metrics,
        frames=args.frames,
    )
    clips = find_clips(args.clips)
    if args.weights_dir is not None and not args.weights_dir.is_dir():
        raise GfvcError(f"--weights-dir {args.weights_dir}: no such folder")
    args.out.mkdir(parents=True, exist_ok=True)
    points, absent = plan(conditions)
    fetch = not args.no_fetch and args.weights_dir is None
    metrics, no_metrics = usable_metrics(conditions, args.weights_dir, fetch=fetch)
    for kind, names in (("codec", absent), ("metric", no_metrics)):
        for name, reason in names.items():
            print(f"{kind} {name} left out: {reason}", file=sys.stderr)
    if not points:
        raise GfvcError("nothing to code: no codec of these conditions is here")
    run = Run(clips, points, conditions.frames, metrics, Cache(args.out / "cache", args.weights_dir))
    todo = run.todo()
    everything = len(points) * len(clips)
    if everything > len(todo):
        print(f"{everything - len(todo)} of {everything} points are in {args.out / 'cache'} already", file=sys.stderr)
    tasks = run.tasks(todo)
    outcomes = ()
    if todo:
        outcomes = schedule.ray_cluster(args.ray, tasks) if args.ray else schedule.local(tasks, args.jobs)
    with tqdm(total=len(todo), unit=" points", disable=args.quiet or not todo) as bar:
        for (clip, point, task), outcome in outcomes:
            run.keep(clip, point, task, outcome)
            bar.set_postfix_str(f"{clip} {point.name}", refresh=False)
            bar.update()
    summary = {
        "gfvc": __version__,
        "commit": _commit(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "python -m eval rd " + " ".join(argv),
        "clips": {
            name: {"path": os.path.relpath(path, args.out), "sha256": run.sha256[name]} for name, path in clips.items()
        },
        "conditions": asdict(conditions),
        "points": {point.name: point.description for point in points},
        "metrics": {name: asdict(METRICS[name]) for name in metrics},
        "codecs_left_out": absent,
        "metrics_left_out": no_metrics,
        "failures": run.failures,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "ffmpeg": {name: ".".join(map(str, number)) for name, number in av.library_versions.items()},
        "machine": _machine(),
    }
    results = results_file.Results(run.rows(args.out), summary)
    return finish(args, conditions, results, [*metrics, *no_metrics])


def finish(args: argparse.Namespace, conditions: Conditions, results: results_file.Results, columns: list[str]) -> int:
    """Write everything and say where it is."""
    from .analysis import analyse, as_text

    results.summary["analysis"] = analyse(results, conditions)
    results_file.write(args.out, results, columns)
    failures = results.summary["failures"]
    if results.rows and not args.no_report:
        from .report import write_report

        write_report(args.out, conditions)
    if args.json:
        print(results_file.as_json(results.summary), end="")
    else:
        print(as_text(results, conditions))
        print(f"results: {args.out / 'points.csv'}, {args.out / 'summary.json'}")
        if results.rows and not args.no_report:
            print(f"report: {args.out / 'report.html'}; plots: {args.out / 'plots'}")
    for name, reason in failures.items():
        print(f"failed: {name}: {reason}", file=sys.stderr)
    return 1 if failures else 0

"""Cut face clips out of videos: one square crop a shot, resized, filtered, with a manifest.

    python -m datasets.prepare SOURCE OUT [--size 256] [--weights-dir DIR] [options]

SOURCE is a copy of VoxCeleb1 or 2 in its official layout, or any folder of videos. Clips go to OUT/clips, the manifest
to OUT/manifest.csv, files that cannot be used and why to OUT/skipped.csv. What is done already is not done again: the
same command goes on after an interruption.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import numpy as np
from tqdm import tqdm

from gfvc.errors import GfvcError
from gfvc.files import replacing
from gfvc.video import VideoReader, open_writer

from . import manifest
from .boxes import MODES, metadata_boxes
from .clips import ClipError
from .faces import DETECTORS, Box, FaceDetector
from .sources import LAYOUTS, Source, list_sources
from .tracking import Look, Window, follow, windows

# Mean luma change at 64x64 above which two pictures are of different shots; as the encoder's rule for scene cuts.
SHOT_CUT = 0.16
# Picture number and uint8 [H, W, 3] RGB -> faces, the largest first.
Search = Callable[[int, np.ndarray], list[Box]]


@dataclass(frozen=True)
class Options:
    """size: side of the clips; boxes: what those of the metadata are for, one of `MODES`; looks_per_s: how often faces
    are searched; margin: added around the face, in faces; roam: how far the crop may grow with the head; min_face_px,
    min_sharpness, max_missing, min_s, max_s: filters; crf: of the clips' H.264."""

    size: int = 256
    boxes: str = "ignore"
    detector: str = "blazeface"
    weights_dir: Path | None = None
    looks_per_s: float = 6.0
    margin: float = 0.35
    roam: float = 1.5
    min_face_px: float = 80.0
    min_sharpness: float = 20.0
    max_missing: float = 0.1
    min_s: float = 2.0
    max_s: float = 20.0
    crf: int = 10

    def key(self) -> list[Any]:
        """What the clips depend on."""
        return [value for name, value in sorted(asdict(self).items()) if name != "weights_dir"]


def small_luma(rgb: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] -> float [64, 64] luma, 0..1."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    return frame.reformat(64, 64, "gray", interpolation="AREA").to_ndarray().astype(np.float32) / 255


def sharpness(rgb: np.ndarray) -> float:
    """Variance of the Laplacian of the luma, 0..255 levels, of a uint8 [S, S, 3] picture."""
    grey = rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    laplacian = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]
    return float(laplacian.var())


def find_shots(path: Path, search: Search, looks_per_s: float) -> Iterator[tuple[list[Look], int]]:
    """(looks, last picture) of each shot of a video: faces searched in every so many pictures and in its last one."""
    with VideoReader(path) as video:
        rate = 1 / (video.info.time_base * video.info.picture_ticks)
        step = max(1, round(rate / Fraction(looks_per_s)))
        looks: list[Look] = []
        before, previous, number = None, None, -1
        for number, picture in enumerate(video):
            small = small_luma(picture.rgb)
            if before is not None and float(np.abs(small - before).mean()) > SHOT_CUT:
                yield [*looks, *_last(search, looks, previous, number - 1)], number - 1
                looks = []
            if not looks or number - looks[-1].picture >= step:
                looks.append(Look(number, search(number, picture.rgb)))
            before, previous = small, picture.rgb
        yield [*looks, *_last(search, looks, previous, number)], number


def _last(search: Search, looks: list[Look], rgb: np.ndarray, number: int) -> list[Look]:
    return [] if looks[-1].picture == number else [Look(number, search(number, rgb))]


def choose(source: Source, options: Options, detector: FaceDetector | None) -> tuple[list[Window], list[str]]:
    """(windows of a video that pass the filters, why others do not); detector: None if the metadata's boxes are used.

    Raises GfvcError or ClipError if those are wanted and not to be had.
    """
    with VideoReader(source.path) as video:
        info = video.info
    known = metadata_boxes(source, info, options.boxes)

    def search(number: int, rgb: np.ndarray) -> list[Box]:
        return known.at(number) if detector is None else detector.detect(rgb)

    rate = float(1 / (info.time_base * info.picture_ticks))
    good, reasons = [], []
    for looks, _ in find_shots(source.path, search, options.looks_per_s):
        tracks = follow(looks)
        if not tracks:
            reasons.append("no face")
        for track in tracks:
            if known is not None and not known.confirms(track):
                reasons.append("not the face of the metadata's boxes")
                continue
            longest = max(2, int(options.max_s * rate))
            for window in windows(
                track,
                margin=options.margin,
                roam=options.roam,
                longest=longest,
                width=info.width,
                height=info.height,
            ):
                reason = _refuse(window, tracks, track, options, rate)
                good.append(window) if reason is None else reasons.append(reason)
    return sorted(good, key=lambda window: window.first), reasons


def _refuse(window: Window, tracks: list, track: Any, options: Options, rate: float) -> str | None:
    if window.face_px < options.min_face_px:
        return f"face of {window.face_px:.0f} pixels"
    if (window.last + 1 - window.first) / rate < options.min_s:
        return f"span of {(window.last + 1 - window.first) / rate:.1f} s"
    if window.missing > options.max_missing:
        return f"face missing in {100 * window.missing:.0f} % of the looks"
    left, top, side = window.crop
    for other in tracks:
        for picture, box in zip(other.pictures, other.boxes, strict=True):
            x, y = box.centre
            inside = left <= x < left + side and top <= y < top + side
            if other is not track and window.first <= picture <= window.last and inside:
                return "a second face in the crop"
    return None


class DroppedError(Exception):
    """A clip fails a filter that can only be judged on its pictures."""


def cut(source: Source, window: Window, target: Path, options: Options) -> dict[str, Any]:
    """Write a window's clip; returns its times in the source, pictures and rate.

    Raises DroppedError if it is blurred, VideoError if the source breaks off.
    """
    left, top, side = window.crop
    scores: list[float] = []
    times: list[int] = []
    how = "AREA" if side >= options.size else "LANCZOS"
    with VideoReader(source.path) as video:
        info = video.info
        small = replace(info, width=options.size, height=options.size)
        with open_writer(target, small, force=True, crf=options.crf) as writer:
            for number, picture in enumerate(video):
                if number < window.first:
                    continue
                if number > window.last:
                    break
                crop = np.ascontiguousarray(picture.rgb[top : top + side, left : left + side])
                frame = av.VideoFrame.from_ndarray(crop, format="rgb24")
                rgb = frame.reformat(options.size, options.size, "rgb24", interpolation=how).to_ndarray()
                if len(times) % 25 == 0:
                    scores.append(sharpness(rgb))
                times.append(picture.pts)
                writer.write(picture._replace(rgb=rgb, pts=picture.pts - times[0]))
            # Inside the writer: what is dropped never appears.
            if np.median(scores) < options.min_sharpness:
                raise DroppedError(f"blurred: sharpness {np.median(scores):.0f}")
    return {
        "t0": round(float(times[0] * info.time_base), 3),
        "t1": round(float((times[-1] + info.picture_ticks) * info.time_base), 3),
        "fps": round(float(1 / (info.time_base * info.picture_ticks)), 3),
        "frames": len(times),
    }


_detectors: dict[tuple, FaceDetector] = {}


def prepare_one(source: Source, out: Path, options: Options) -> dict[str, Any]:
    """All clips of a video: {"rows": of the manifest, "reasons": why parts were left out}.

    Raises what reading raises.
    """
    kind = (options.detector, options.weights_dir)
    if options.boxes != "use" and kind not in _detectors:
        _detectors[kind] = FaceDetector(*kind)
    good, reasons = choose(source, options, None if options.boxes == "use" else _detectors[kind])
    rows = []
    for number, window in enumerate(good):
        target = out / "clips" / f"{source.name}-{number:03}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            facts = cut(source, window, target, options)
        except DroppedError as error:
            reasons.append(str(error))
            continue
        left, top, side = window.crop
        start = source.t0 or 0.0
        row = facts | {"t0": round(start + facts["t0"], 3), "t1": round(start + facts["t1"], 3)}
        row |= {
            "file": target.relative_to(out).as_posix(),
            "identity": source.identity,
            "source": source.name,
            "reference": source.reference,
            "crop_box": f"{left} {top} {left + side} {top + side}",
            "source_face_px": round(window.face_px, 1),
            "width": options.size,
            "height": options.size,
            "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        }
        rows.append(row)
    return {"rows": rows, "reasons": reasons}


def _record(out: Path, source: Source, options: Options) -> Path:
    """Where the outcome for a video is kept: by its place, size and time, and the options."""
    status = source.path.stat()
    described = [str(source.path.resolve()), status.st_size, status.st_mtime_ns, options.key()]
    return out / "records" / (hashlib.sha256(json.dumps(described).encode()).hexdigest()[:20] + ".json")


def _work(source: Source, out: Path, options: Options) -> dict[str, Any]:
    """`prepare_one` with its outcome, good or bad, written down."""
    record = _record(out, source, options)
    try:
        found = prepare_one(source, out, options)
    except (ClipError, GfvcError) as error:
        found = {"rows": [], "reasons": [str(error)]}
    with replacing(record, force=True) as partial:
        partial.write_text(json.dumps(found))
    return found


def prepare(
    sources: list[Source], out: Path, options: Options, *, workers: int = 1, quiet: bool = False
) -> list[tuple[Source, dict[str, Any]]]:
    """Outcomes for all videos in their order, done now or before; unreadable ones have a reason and no rows.

    Raises GfvcError if the detector cannot be loaded.
    """
    if options.boxes != "use":
        FaceDetector(options.detector, options.weights_dir)
    (out / "records").mkdir(parents=True, exist_ok=True)
    todo = [source for source in sources if not _record(out, source, options).exists()]
    with tqdm(total=len(sources), initial=len(sources) - len(todo), unit=" videos", disable=quiet) as bar:
        if workers == 1:
            for source in todo:
                _work(source, out, options)
                bar.update()
        elif todo:
            os.environ.setdefault("OMP_NUM_THREADS", "1")
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                for done in as_completed([pool.submit(_work, source, out, options) for source in todo]):
                    done.result()
                    bar.update()
    return [(source, json.loads(_record(out, source, options).read_text())) for source in sources]


def build_parser() -> argparse.ArgumentParser:
    defaults = Options()
    parser = argparse.ArgumentParser(
        prog="python -m datasets.prepare",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="folder of videos")
    parser.add_argument("out", type=Path, help="folder for clips and manifest")
    parser.add_argument("--layout", choices=LAYOUTS, default="auto", help="how SOURCE is laid out")
    parser.add_argument("--size", type=int, choices=(256, 512), default=defaults.size, help="side of the clips")
    parser.add_argument(
        "--boxes",
        choices=MODES,
        default=defaults.boxes,
        help="those of VoxCeleb's txt files, if the videos are not cropped yet: verify which face is meant, or use "
        "them, without a detector",
    )
    parser.add_argument("--detector", choices=DETECTORS, default=defaults.detector, help="of face-alignment")
    parser.add_argument("--weights-dir", type=Path, help="folder of the detector's weights; else they are fetched")
    for name, text in (
        ("looks-per-s", "how often faces are searched"),
        ("margin", "kept around the face on each side, in faces"),
        ("roam", "how far the crop may grow with the head's movement, 1 not at all"),
        ("min-face-px", "smallest face in the source"),
        ("min-sharpness", "lowest variance of the Laplacian, in the clip"),
        ("max-missing", "largest share of looks without the face"),
        ("min-s", "shortest clip in seconds"),
        ("max-s", "longest clip in seconds"),
    ):
        parser.add_argument(f"--{name}", type=float, default=getattr(defaults, name.replace("-", "_")), help=text)
    parser.add_argument("--crf", type=int, default=defaults.crf, help="of the clips' H.264; 10 is visually lossless")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Exit code 0, 2 for bad options or if no clip came out, 130 if interrupted."""
    args = build_parser().parse_args(argv)
    options = Options(**{name: getattr(args, name) for name in asdict(Options())})
    try:
        sources, skipped = list_sources(args.source, args.layout)
        args.out.mkdir(parents=True, exist_ok=True)
        outcomes = prepare(sources, args.out, options, workers=max(1, args.workers), quiet=args.quiet)
        rows = [row for _, found in outcomes for row in found["rows"]]
        skipped += [(source.name, reason) for source, found in outcomes for reason in found["reasons"]]
        manifest.write(args.out / "manifest.csv", rows)
        named = [{"file": name, "reason": reason} for name, reason in sorted(skipped)]
        manifest.write(args.out / "skipped.csv", named, ("file", "reason"))
    except (ClipError, GfvcError) as error:
        print(f"python -m datasets.prepare: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("python -m datasets.prepare: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    seconds = sum(row["t1"] - row["t0"] for row in rows)
    people = len({row["identity"] for row in rows})
    print(f"{len(rows)} clips of {people} identities, {seconds / 60:.1f} minutes, from {len(sources)} videos")
    print(f"manifest: {args.out / 'manifest.csv'}; {len(skipped)} parts or files left out: {args.out / 'skipped.csv'}")
    return 0 if rows else 2


if __name__ == "__main__":
    raise SystemExit(main())

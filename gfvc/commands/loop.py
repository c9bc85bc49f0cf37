"""`gfvc loop --camera 0` or `gfvc loop --input FILE`: a call with oneself."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time

import av
import numpy as np

from ..errors import VideoError
from ..files import PIPE
from ..screens import open_screen
from ..video import TimedPicture, VideoInfo, VideoReader
from .common import print_json, whole_number
from .encode import add_encoding_arguments, options_from
from .play import add_screen_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--camera", help="number or device of a camera")
    source.add_argument("--input", help="a video file, played at its own speed; - for standard input")
    parser.add_argument("--size", type=whole_number(64, 1024), default=256, help="side of the square that is coded")
    parser.add_argument(
        "--pictures", type=whole_number(1, 1 << 30), help="stop after so many (default: never, or at the end)"
    )
    add_screen_arguments(parser)
    add_encoding_arguments(parser)
    parser.add_argument("--fast", action="store_true", help="a file as fast as possible, not at its own speed")
    parser.add_argument("--json", action="store_true", help="print at the end what was measured")
    parser.add_argument("-q", "--quiet", action="store_true", help="print no place and no summary")


def open_camera(name: str) -> VideoReader:
    """A camera by number or device name, through FFmpeg's capture devices.

    Raises VideoError.
    """
    kinds = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}"), "win32": ("dshow", "video={}")}
    kind, pattern = kinds.get(sys.platform, kinds["linux"])
    device = pattern.format(name) if name.isdigit() or kind == "dshow" else name
    try:
        container = av.open(device, format=kind)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(f"camera {name}: {device} cannot be opened ({kind}): {reason}") from None
    return VideoReader(container)


def square(rgb: np.ndarray, size: int) -> np.ndarray:
    """The middle square of a picture, scaled: uint8 [H, W, 3] -> [size, size, 3]."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = np.ascontiguousarray(rgb[top : top + side, left : left + side])
    if side == size:
        return cut
    frame = av.VideoFrame.from_ndarray(cut, format="rgb24")
    return np.ascontiguousarray(frame.reformat(size, size, "rgb24", interpolation="AREA").to_ndarray())


def run(args: argparse.Namespace) -> int:
    from ..live import Loop

    source = PIPE if args.input == PIPE else args.input
    latencies, keys, late, kbps = [], 0, 0, 0.0
    with open_camera(args.camera) if args.camera is not None else VideoReader(source) as video:
        info: VideoInfo = dataclasses.replace(video.info, width=args.size, height=args.size)
        loop = Loop(info, options_from(args))
        tick_s, start = float(info.time_base), None
        with open_screen(args.screen, 2 * args.size, args.size, args.port) as screen:
            backend = loop.decoder.backend
            if not args.quiet:
                print(f"gfvc: {screen.place}; networks in {backend.name} on {backend.device}", file=sys.stderr)
            for picture in video:
                now = time.perf_counter()
                start = now - picture.pts * tick_s if start is None else start
                behind = now - start - picture.pts * tick_s
                if args.camera is None and not args.fast:
                    time.sleep(max(0.0, -behind))
                    if behind > 2 * info.picture_ticks * tick_s and latencies:
                        # Too slow for its speed: a call drops pictures rather than fall behind.
                        late += 1
                        continue
                own = TimedPicture(square(picture.rgb, args.size), picture.pts)
                turn = loop.turn(own)
                kbps = turn.kbps
                keys += turn.is_key
                latencies.append(turn.latency_s * 1e3)
                text = f"{turn.kbps:.1f} kbit/s, {latencies[-1]:.0f} ms, {backend.name}"
                screen.show(np.concatenate((own.rgb, turn.shown), axis=1), f"gfvc: {text}")
                if not args.quiet and sys.stderr.isatty():
                    print(f"\rgfvc: {text}   ", end="", file=sys.stderr, flush=True)
                if screen.closed or len(latencies) == args.pictures:
                    break
    summary = {
        "pictures": len(latencies),
        "dropped": late,
        "key_pictures": keys,
        "kbps_last_seconds": round(kbps, 3),
        "latency_ms_median": round(float(np.median(latencies)), 2),
        "latency_ms_95th_percentile": round(float(np.percentile(latencies, 95)), 2),
        "backend": backend.name,
        "device": backend.device,
    }
    if args.json:
        print_json(summary)
    elif not args.quiet:
        print(
            f"{summary['pictures']} pictures, {late} dropped; latency {summary['latency_ms_median']} ms (median), "
            f"{summary['latency_ms_95th_percentile']} ms (95 of 100); {kbps:.2f} kbit/s over the last seconds"
        )
    return 0

"""Make a short talking-head clip from a still portrait, so that the codec can be tried without any data set.

    python -m datasets.demo_clip [OUT.mp4] [--pictures 125] [--size 256] [--seed 0]

Source: ``skimage.data.astronaut()``, a NASA portrait of the astronaut Eileen Collins. It is in the public domain and
lies inside the scikit-image wheel, so nothing is downloaded (``pip install scikit-image``). The motion is invented: the
head turns, nods and tilts, the eyes blink, the mouth moves as in talking. The first picture is the portrait at rest.
The same arguments and library versions give the same bytes.

Geometry is in pixels of the 512x512 portrait, x to the right and y down, 0 at the centre of the first pixel; "left" and
"right" are the picture's. Warps run backwards: from a place in the clip to one in the portrait.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

try:
    from scipy.interpolate import PchipInterpolator
    from scipy.ndimage import map_coordinates, spline_filter
    from skimage.data import astronaut
except ModuleNotFoundError:  # scikit-image brings both
    if __name__ != "__main__":
        raise
    raise SystemExit("demo_clip: scikit-image is missing: pip install scikit-image") from None

OUT = Path(__file__).parent.parent / "gfvc" / "data" / "astronaut.mp4"
FPS = 25
SMPTE170M_MATRIX = 6  # code point of H.273; PyAV only names its twin, 5
CROP_LEFT, CROP_TOP, CROP_SIDE = 119.0, 3.0, 214.0  # head, collar and a bit of backdrop
HEAD, NECK, NOSE = (226.5, 92.0), (224.0, 186.0), (222.8, 129.9)  # middle of head and hair; pivot of the tilt; tip
MOUTH_X, MOUTH_HALF = 223.4, 21.5  # middle and half width
DARK_MOUTH, TONGUE = np.array([46.0, 18.0, 16.0]), np.array([118.0, 56.0, 54.0])
# Blink, picture by picture: the share of the eye that the lid covers. A lid falls faster than it rises.
BLINK = (0.3, 0.85, 1.0, 0.92, 0.6, 0.28, 0.08)
Edges = tuple[tuple[float, ...], ...]
# Edges of the eye and mouth openings, read off the portrait with a face mesh: rows of x, y of upper, y of lower edge.
# The outer ends of the eyes are drawn out to where the lashes end, so that these come down with the lid.
LEFT_EYE = (
    (190.0, 193.0, 195.5, 198.0, 202.9, 209.8, 213.8),
    (101.8, 101.5, 100.7, 98.9, 97.6, 99.8, 103.6),
    (101.8, 102.5, 102.9, 103.3, 104.3, 103.8, 103.6),
)
RIGHT_EYE = (
    (235.4, 237.6, 240.9, 248.0, 253.4, 256.0, 258.2, 261.0),
    (105.2, 104.4, 101.8, 99.8, 101.7, 103.8, 104.5, 104.6),
    (105.2, 105.4, 105.7, 106.5, 106.3, 106.0, 105.5, 104.6),
)
MOUTH = (
    (202.4, 209.1, 217.3, 223.0, 233.4, 237.3, 244.6),
    (139.6, 140.7, 142.5, 143.2, 142.2, 141.6, 140.7),
    (139.6, 145.3, 149.2, 150.0, 148.3, 146.3, 140.7),
)


@dataclass(frozen=True)
class Pose:
    """One picture's motion. All zero is the portrait as it is; lengths are in pixels of the portrait."""

    yaw: float = 0.0  # radians
    pitch: float = 0.0
    roll: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    zoom: float = 0.0  # relative growth of the head
    blink: float = 0.0  # 0 open, 1 shut
    jaw: float = 0.0  # how far the lower lip goes down
    lip: float = 0.0  # how far the upper lip goes down
    narrow: float = 0.0  # corners of the mouth: 0 as in the portrait, 0.25 drawn well in
    brow: float = 0.0  # how far the brows go up


def load_portrait() -> np.ndarray:
    """Return the portrait's cubic spline coefficients: float64 [3, 512, 512], for values 0..255, R, G, B."""
    planes = astronaut().transpose(2, 0, 1).astype(np.float64)
    return np.stack([spline_filter(plane, order=3, mode="mirror") for plane in planes])


def _sample(portrait: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([map_coordinates(p, (y, x), order=3, mode="mirror", prefilter=False) for p in portrait], axis=-1)


def _step(value: np.ndarray, start: float, end: float) -> np.ndarray:
    """Go smoothly from 0 at ``start`` to 1 at ``end``."""
    part = np.clip((value - start) / (end - start), 0, 1)
    return part * part * (3 - 2 * part)


def _bump(x: np.ndarray, y: np.ndarray, at_x: float, at_y: float, wide: float, tall: float) -> np.ndarray:
    return np.exp(-0.5 * (((x - at_x) / wide) ** 2 + ((y - at_y) / tall) ** 2))


def _edges(table: Edges, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower edge of an opening at each x; outside of it both are the height of the nearer corner."""
    return tuple(PchipInterpolator(table[0], table[1:], axis=1)(np.clip(x, table[0][0], table[0][-1])))


def _head_shift(x: np.ndarray, y: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """How far the portrait's point (x, y) moves with the head: none of it far out, all of it inside the hair."""
    radius = np.hypot((x - HEAD[0]) / 75, (y - HEAD[1]) / 84)
    head = (1 - _step(radius, 0.95, 1.5)) * (1 - 0.9 * _step(y, 160, 222))
    # A rounded face with a nose on it. It is flat at the outline, where the head hides or shows nothing then.
    depth = 46 * np.clip(1 - ((x - 225) / 60) ** 2, 0, None) ** 1.5 * np.clip(1 - ((y - 122) / 92) ** 2, 0, None) ** 1.5
    depth = depth + 17 * _bump(x, y, *NOSE, 10, 14)
    arm_x, arm_y = x - NECK[0], y - NECK[1]
    along, across = (1 + pose.zoom) * np.cos(pose.roll) - 1, (1 + pose.zoom) * np.sin(pose.roll)
    follow = head + 0.3 * _step(y, 140, 185) * (1 - head)  # the shoulders sway a little
    move_x = head * (along * arm_x - across * arm_y) + follow * pose.shift_x + depth * np.sin(pose.yaw)
    move_y = head * (across * arm_x + along * arm_y) + follow * pose.shift_y + depth * np.sin(pose.pitch)
    return move_x, move_y


def _undo_motion(x: np.ndarray, y: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Find the portrait's point that head, brows and corners of the mouth bring to (x, y)."""
    from_x, from_y = x, y
    for _ in range(8):  # the shift changes slowly from place to place, so this converges
        move_x, move_y = _head_shift(from_x, from_y, pose)
        from_x, from_y = x - move_x, y - move_y
    mouth = _bump(from_x, from_y, MOUTH_X, 145, 24, 13)
    brows = _bump(from_x, from_y, 204, 88, 15, 5.5) + _bump(from_x, from_y, 248, 90, 15, 5.5)
    return from_x + pose.narrow * mouth * (from_x - MOUTH_X), from_y + pose.brow * brows


def _add_lid(color: np.ndarray, portrait: np.ndarray, x: np.ndarray, y: np.ndarray, eye: Edges, shut: float) -> None:
    """Draw the upper lid of one eye over ``color``: its skin is stretched downwards and hides what is below it."""
    here = (x > eye[0][0]) & (x < eye[0][-1]) & (y > min(eye[1]) - 12) & (y < max(eye[2]) + 3)
    x, y = x[here], y[here]
    upper, lower = _edges(eye, x)
    fall = shut * (lower - upper + 0.3)
    # From just below the brow down to the lashes the skin stretches; the lashes keep their thickness.
    top, lashes = upper - 7.0, upper - 3.0
    stretched = top + (y - top) * (lashes - top) / (lashes + fall - top)
    from_y = np.where(y < top, y, np.maximum(stretched, y - fall))
    cover = (1 - _step(from_y - upper, 0.0, 1.0))[:, None]
    color[here] += cover * (_sample(portrait, x, from_y) - color[here])


def _jaw_share(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of the jaw's way that a point below the mouth takes: the lip bows, the chin goes as one, the neck stays."""
    lip = np.clip(1 - ((x - MOUTH_X) / MOUTH_HALF) ** 2, 0, None) ** 1.3
    chin = 0.72 * np.exp(-(((x - MOUTH_X) / 27) ** 4))
    return (lip + (chin - lip) * _step(y, 146, 168)) * (1 - _step(y, 172, 204))


def _add_mouth(color: np.ndarray, portrait: np.ndarray, x: np.ndarray, y: np.ndarray, pose: Pose) -> None:
    """Draw the mouth over ``color``: the teeth stay, the dark below, the lower lip with the chin, the upper lip."""
    here = (np.abs(x - MOUTH_X) < 62) & (y > 128) & (y < 210)
    x, y = x[here], y[here]
    upper, lower = _edges(MOUTH, x)
    from_y = y
    for _ in range(6):
        from_y = y - pose.jaw * _jaw_share(x, from_y)
    bow = np.clip(1 - ((x - MOUTH_X) / MOUTH_HALF) ** 2, 0, None)
    pull = pose.lip * bow * _step(y, 131, 141)
    tongue = 0.8 * bow * _step((y - lower) / max(pose.jaw, 1.0), 0.35, 1.1)
    inside = DARK_MOUTH + tongue[:, None] * (TONGUE - DARK_MOUTH)
    teeth = (1 - _step(y - lower, -0.9, 0.5))[:, None]
    drawn = inside + teeth * (color[here] - inside)
    drawn += _step(from_y - lower, -1.3, -0.1)[:, None] * (_sample(portrait, x, from_y) - drawn)
    drawn += (1 - _step(y - pull - upper, 0.0, 1.2))[:, None] * (_sample(portrait, x, y - pull) - drawn)
    color[here] = drawn


def render_picture(portrait: np.ndarray, pose: Pose, size: int) -> np.ndarray:
    """Draw one picture: ``portrait`` as from ``load_portrait``; returns uint8 [size, size, 3], RGB."""
    line = (np.arange(size) + 0.5) * (CROP_SIDE / size) - 0.5
    y, x = np.meshgrid(CROP_TOP + line, CROP_LEFT + line, indexing="ij")
    x, y = _undo_motion(x, y, pose)
    color = _sample(portrait, x, y)
    for eye in (LEFT_EYE, RIGHT_EYE) if pose.blink else ():
        _add_lid(color, portrait, x, y, eye, pose.blink)
    if pose.jaw or pose.lip:
        _add_mouth(color, portrait, x, y, pose)
    return np.clip(np.rint(color), 0, 255).astype(np.uint8)


def _wander(rng: np.random.Generator, time: np.ndarray, rates: tuple[float, ...]) -> np.ndarray:
    """A smooth curve within -1..1 that starts at 0: sines of the given rates in Hz, with chance phases."""
    phases = rng.uniform(0, 2 * np.pi, len(rates))
    waves = [np.sin(2 * np.pi * rate * time + phase) for rate, phase in zip(rates, phases, strict=True)]
    return np.mean(waves, axis=0) * _step(time, 0, 0.8)


def _speech(rng: np.random.Generator, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Jaw opening in pixels (below 0: closing) and, 0..1, whether a word is being said, for each time in seconds."""
    jaw, talking = np.zeros_like(time), np.zeros_like(time)
    now = 0.4
    while now < time[-1]:
        start = now
        for _ in range(int(rng.integers(4, 9))):
            jaw += rng.uniform(4.0, 8.0) * np.exp(-0.5 * ((time - now) / rng.uniform(0.055, 0.075)) ** 2)
            if rng.random() < 0.4:  # lips meet, as for b, m and p
                jaw -= 4.0 * np.exp(-0.5 * ((time - now - 0.13) / 0.04) ** 2)
            now += rng.uniform(0.19, 0.3)
        talking = np.maximum(talking, _step(time, start - 0.25, start) * (1 - _step(time, now - 0.1, now + 0.25)))
        now += rng.uniform(0.3, 0.55)
    return np.clip(jaw - 2.5 * talking, -6.0, 6.0) * _step(time, 0, 0.3), talking


def plan_motion(pictures: int, seed: int) -> list[Pose]:
    """Return the pose of each picture; the first one is at rest."""
    rng = np.random.default_rng(seed)
    time = np.arange(pictures) / FPS
    sway = {"yaw": 0.27, "pitch": 0.17, "roll": 0.075, "shift_x": 6.0, "shift_y": 4.0, "zoom": 0.03, "brow": 2.0}
    curves = {name: reach * _wander(rng, time, (0.21, 0.47, 0.83)) for name, reach in sway.items()}
    curves["jaw"], talking = _speech(rng, time)
    curves["blink"] = np.zeros(pictures)
    starts = np.cumsum(rng.integers(34, 44, pictures)) - 16
    for start in starts[starts < pictures - len(BLINK)]:
        curves["blink"][start : start + len(BLINK)] = BLINK
    curves["pitch"] += 0.002 * curves["jaw"]
    curves["brow"] -= 0.8 * curves["blink"]
    curves["lip"] = talking * (0.7 - 0.12 * np.minimum(curves["jaw"], 0))
    drawn_in = 0.06 + 0.015 * np.maximum(curves["jaw"], 0) + 0.12 * _wander(rng, time, (1.1, 1.9))
    curves["narrow"] = talking * drawn_in
    return [Pose(**{name: float(curve[i]) for name, curve in curves.items()}) for i in range(pictures)]


def _tag_colors(target: av.VideoFrame | av.VideoCodecContext) -> None:
    """Say BT.601 with limited range, so that no reader has to guess it from the picture size."""
    target.color_range, target.colorspace = ColorRange.MPEG, SMPTE170M_MATRIX
    target.color_primaries, target.color_trc = ColorPrimaries.SMPTE170M, ColorTrc.SMPTE170M


def _to_frame(picture: np.ndarray, index: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
    )
    _tag_colors(frame)
    frame.pts, frame.time_base = index, Fraction(1, FPS)
    return frame


def write_clip(path: Path, poses: list[Pose], size: int) -> None:
    """Draw and encode ``poses`` to an MP4 of ``size`` x ``size``. The file appears whole or not at all."""
    portrait = load_portrait()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with av.open(str(partial), "w", format="mp4") as container:
            # One thread, so that each run gives the same bytes; no B-frames, so that pictures lie in the order shown.
            options = {"crf": "17", "preset": "slow", "bf": "0"}
            stream = container.add_stream("libx264", rate=FPS, options=options)
            stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
            stream.codec_context.thread_count = 1
            _tag_colors(stream.codec_context)
            for index, pose in enumerate(poses):
                container.mux(stream.encode(_to_frame(render_picture(portrait, pose, size), index)))
            container.mux(stream.encode())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m datasets.demo_clip", description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=OUT, metavar="OUT.mp4", help="clip to write")
    parser.add_argument("--pictures", type=int, default=125, help=f"number of pictures, {FPS} a second")
    parser.add_argument("--size", type=int, default=256, help="width and height in pixels")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives another motion")
    args = parser.parse_args()
    if args.pictures < 1 or args.seed < 0 or not 64 <= args.size <= 1024 or args.size % 2:
        parser.error("--pictures starts at 1, --seed at 0; --size is an even number from 64 to 1024")
    try:
        write_clip(args.out, plan_motion(args.pictures, args.seed), args.size)
    except OSError as error:
        parser.exit(1, f"demo_clip: {error}\n")
    print(f"{args.out}: {args.pictures} pictures, {args.out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

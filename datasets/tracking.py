"""From faces in single pictures to spans of a video that one fixed square crop can show."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .faces import Box

# Boxes of the same face in two looks overlap by at least this much (intersection over union).
SAME_FACE = 0.3


class Look(NamedTuple):
    """What was seen in one picture: its number, and the faces in it."""

    picture: int
    faces: list[Box]


@dataclass
class Track:
    """One face over several looks of a shot: picture number and box; looks: how many there were from first to last."""

    pictures: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    looks: int = 0

    @property
    def side(self) -> float:
        """Median side of the face."""
        return statistics.median(box.side for box in self.boxes)

    @property
    def missing(self) -> float:
        """Share of looks in which the face was not found."""
        return 1 - len(self.boxes) / self.looks


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, 0..1."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a.x1 - a.x0) * (a.y1 - a.y0) + (b.x1 - b.x0) * (b.y1 - b.y0) - shared)


def follow(looks: Sequence[Look], patience: int = 2) -> list[Track]:
    """Tracks of the faces in one shot; one that is not seen in more than ``patience`` looks has ended."""
    open_tracks: list[tuple[Track, int]] = []
    ended: list[Track] = []
    for number, look in enumerate(looks):
        free = list(look.faces)
        still_open = []
        for track, seen in open_tracks:
            best = max(free, key=lambda face: overlap(track.boxes[-1], face), default=None)
            if best is not None and overlap(track.boxes[-1], best) >= SAME_FACE:
                free.remove(best)
                track.looks += number - seen
                track.pictures.append(look.picture)
                track.boxes.append(best)
                still_open.append((track, number))
            elif number - seen > patience:
                ended.append(track)
            else:
                still_open.append((track, seen))
        open_tracks = still_open + [(Track([look.picture], [face], 1), number) for face in free]
    return ended + [track for track, _ in open_tracks]


class Crop(NamedTuple):
    """A square in the picture: left, top and side in pixels, all whole."""

    left: int
    top: int
    side: int


@dataclass(frozen=True)
class Window:
    """Pictures ``first`` .. ``last`` of a video, one crop, and the median side of the face in pixels."""

    first: int
    last: int
    crop: Crop
    face_px: float
    missing: float


def crop_for(boxes: Sequence[Box], margin: float, width: int, height: int) -> Crop | None:
    """The square around all ``boxes`` with ``margin`` of the median face added on each side, moved inside the picture;
    None if it is larger than the picture."""
    around = margin * statistics.median(box.side for box in boxes)
    x0, y0 = min(box.x0 for box in boxes) - around, min(box.y0 for box in boxes) - around
    x1, y1 = max(box.x1 for box in boxes) + around, max(box.y1 for box in boxes) + around
    side = round(max(x1 - x0, y1 - y0))
    if side > min(width, height):
        return None
    left = min(max(round((x0 + x1 - side) / 2), 0), width - side)
    top = min(max(round((y0 + y1 - side) / 2), 0), height - side)
    return Crop(left, top, side)


def windows(track: Track, *, margin: float, roam: float, longest: int, width: int, height: int) -> Iterator[Window]:
    """Cut a track where the head leaves what one crop can hold, and at ``longest`` pictures.

    roam: how far the square may grow with the head's movement, as a share of that of a still head. A face so large that
    even a still head's square does not fit gets the largest square that does.
    """
    start = 0
    while start < len(track.boxes):
        still = (1 + 2 * margin) * track.boxes[start].side
        largest = min(width, height)
        end, crop = start, None
        while end < len(track.boxes) and track.pictures[end] - track.pictures[start] < longest:
            grown = crop_for(track.boxes[start : end + 1], margin, width, height)
            if grown is None and still > largest:
                grown = _largest(track.boxes[start : end + 1], width, height)
            if grown is None or grown.side > max(still * roam, largest if still > largest else 0):
                break
            crop, end = grown, end + 1
        if crop is not None:
            boxes = track.boxes[start:end]
            yield Window(
                track.pictures[start],
                track.pictures[end - 1],
                crop,
                statistics.median(box.side for box in boxes),
                track.missing,
            )
        start = max(end, start + 1)


def _largest(boxes: Sequence[Box], width: int, height: int) -> Crop | None:
    """The largest square of the picture if it holds all faces whole."""
    side = min(width, height)
    x0, x1 = min(box.x0 for box in boxes), max(box.x1 for box in boxes)
    y0, y1 = min(box.y0 for box in boxes), max(box.y1 for box in boxes)
    if x1 - x0 > side or y1 - y0 > side:
        return None
    left = min(max(round((x0 + x1 - side) / 2), 0), width - side)
    top = min(max(round((y0 + y1 - side) / 2), 0), height - side)
    return Crop(left, top, side)

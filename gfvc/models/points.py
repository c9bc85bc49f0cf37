"""The facial key points of the `keypoints2d` family: which they are, how they group, how they mirror.

All have a fixed meaning, learned by regression: those of the face from the MediaPipe face mesh, whose vertex numbers
stand here, those of the outline from segmented pictures (`datasets.outlines`). Weights of generation 1 and 2 have five
points without a meaning in place of the outline's. Coordinates run from -1 to 1 across the picture, x to the right and
y down; sample i of n has its centre at (2 i + 1) / n - 1.
"""

from __future__ import annotations

from typing import NamedTuple


class Point(NamedTuple):
    """One key point: its name, its face mesh vertex if it has one, and the name of its mirror image."""

    name: str
    vertex: int | None
    mirror: str


POSE = (
    Point("nose_tip", 1, "nose_tip"),
    Point("forehead", 10, "forehead"),
    Point("chin", 152, "chin"),
    Point("right_side", 234, "left_side"),
    Point("left_side", 454, "right_side"),
)
MOUTH = (
    Point("mouth_right", 61, "mouth_left"),
    Point("mouth_left", 291, "mouth_right"),
    Point("upper_lip", 13, "upper_lip"),
    Point("lower_lip", 14, "lower_lip"),
)
EYES = (
    Point("right_lid_upper", 159, "left_lid_upper"),
    Point("right_lid_lower", 145, "left_lid_lower"),
    Point("left_lid_upper", 386, "right_lid_upper"),
    Point("left_lid_lower", 374, "right_lid_lower"),
    Point("right_iris", 468, "left_iris"),
    Point("left_iris", 473, "right_iris"),
    Point("right_brow", 105, "left_brow"),
    Point("left_brow", 334, "right_brow"),
)
OUTLINE = (
    Point("crown", None, "crown"),
    Point("right_hair", None, "left_hair"),
    Point("left_hair", None, "right_hair"),
    Point("right_shoulder", None, "left_shoulder"),
    Point("left_shoulder", None, "right_shoulder"),
)
FACE = POSE + MOUTH + EYES
POINTS = FACE + OUTLINE
FACE_COUNT, POINT_COUNT = len(FACE), len(POINTS)

VERTICES = tuple(point.vertex for point in FACE)
_INDEX = {point.name: index for index, point in enumerate(POINTS)}
MIRROR = tuple(_INDEX[point.mirror] for point in POINTS)

POSE_SLICE = slice(0, len(POSE))
MOUTH_SLICE = slice(len(POSE), len(POSE) + len(MOUTH))
EYES_SLICE = slice(len(POSE) + len(MOUTH), FACE_COUNT)
OUTLINE_SLICE = slice(FACE_COUNT, POINT_COUNT)


def index_of(*names: str) -> tuple[int, ...]:
    """The positions of points, by name."""
    return tuple(_INDEX[name] for name in names)

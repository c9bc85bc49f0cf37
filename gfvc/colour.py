"""RGB <-> YUV through swscale, with matrix and range always explicit and rounding exact.

swscale's fast paths are several levels off on flat colours; with the flags below a round trip of 8-bit RGB through
limited range is within two levels (measured by tests/gfvc/test_colour.py against the formulas of Rec. ITU-T H.273
clause 8.3).
"""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from bitstream import Colour

EXACT = int(
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)
UNSPECIFIED = 2
# H.273 matrix_coefficients -> swscale's tables.
MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}


def known_matrix(matrix: int, height: int) -> int:
    """``matrix`` if YUV can be made with it, else the usual one for the size: BT.709 from 720 lines on, BT.601
    below."""
    return matrix if matrix in MATRICES else 1 if height >= 720 else 6


def _range(full: bool) -> ColorRange:
    return ColorRange.JPEG if full else ColorRange.MPEG


def frame_colour(frame: av.VideoFrame) -> Colour:
    """Colour description of a decoded frame; what it leaves open is filled as players do (limited range, matrix by
    size)."""
    full = int(frame.color_range) == int(ColorRange.JPEG) or frame.format.name.startswith("yuvj")
    return Colour(
        int(frame.color_primaries), int(frame.color_trc), known_matrix(int(frame.colorspace), frame.height), full
    )


def to_rgb(frame: av.VideoFrame, colour: Colour) -> np.ndarray:
    """Frame of any pixel format -> uint8 [H, W, 3] RGB; ``colour`` is how its YUV is to be read."""
    space = MATRICES[known_matrix(colour.matrix, frame.height)]
    return frame.reformat(
        format="rgb24",
        src_colorspace=space,
        dst_colorspace=space,
        src_color_range=_range(colour.full_range),
        dst_color_range=ColorRange.JPEG,
        interpolation=EXACT,
    ).to_ndarray()


def from_rgb(picture: np.ndarray, colour: Colour, pixel_format: str) -> av.VideoFrame:
    """uint8 [H, W, 3] RGB -> frame of ``pixel_format`` (yuv420p, yuv444p, ...) with the matrix and range of
    ``colour``."""
    space = MATRICES[known_matrix(colour.matrix, picture.shape[0])]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return frame.reformat(
        format=pixel_format,
        src_colorspace=space,
        dst_colorspace=space,
        src_color_range=ColorRange.JPEG,
        dst_color_range=_range(colour.full_range),
        interpolation=EXACT,
    )

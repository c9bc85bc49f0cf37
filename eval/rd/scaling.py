"""RGB <-> YUV with a change of size: the half-size anchors."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation

from bitstream import Colour
from gfvc.colour import EXACT, MATRICES, known_matrix

# Both ways. Area, bilinear, bicubic and sinc down, bilinear, bicubic, spline and sinc up change the BD-rate of x264 by
# -1.9 to +2.3 %, no two clips alike.
_LANCZOS = (EXACT & ~int(Interpolation.BICUBIC)) | int(Interpolation.LANCZOS)


def half(side: int) -> int:
    """Half a side, even, at least 64: the smallest that every encoder takes."""
    return max(64, round(side / 4) * 2)


def _reformat(frame: av.VideoFrame, size: tuple[int, int], pixel_format: str, colour: Colour, *, to_rgb: bool):
    space = MATRICES[known_matrix(colour.matrix, frame.height)]
    coded = ColorRange.JPEG if colour.full_range else ColorRange.MPEG
    return frame.reformat(
        *size,
        pixel_format,
        src_colorspace=space,
        dst_colorspace=space,
        src_color_range=coded if to_rgb else ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if to_rgb else coded,
        interpolation=EXACT if size == (frame.width, frame.height) else _LANCZOS,
    )


def to_yuv(picture: np.ndarray, size: tuple[int, int], pixel_format: str, colour: Colour) -> av.VideoFrame:
    """uint8 [H, W, 3] RGB -> YUV frame of ``size`` (width, height)."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return _reformat(frame, size, pixel_format, colour, to_rgb=False)


def to_picture(frame: av.VideoFrame, size: tuple[int, int], colour: Colour) -> np.ndarray:
    """YUV frame of any size and depth -> uint8 [height, width, 3] RGB of ``size`` (width, height)."""
    return _reformat(frame, size, "rgb24", colour, to_rgb=True).to_ndarray()

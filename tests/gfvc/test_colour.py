"""RGB <-> YUV against the formulas of Rec. ITU-T H.273 clause 8.3."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import Colour
from gfvc.colour import frame_colour, from_rgb, known_matrix, to_rgb

# MatrixCoefficients -> K_R and K_B (Table 4).
WEIGHTS = {
    1: (Fraction(2126, 10000), Fraction(722, 10000)),
    5: (Fraction(299, 1000), Fraction(114, 1000)),
    6: (Fraction(299, 1000), Fraction(114, 1000)),
}
colours = st.tuples(*[st.integers(0, 255)] * 3)
cases = pytest.mark.parametrize(("matrix", "full"), [(m, f) for m in WEIGHTS for f in (False, True)])


def formula(rgb: tuple[int, int, int], matrix: int, full: bool) -> list[Fraction]:
    """Y, Cb, Cr of one colour at 8 bits, before rounding (equations 38 to 46)."""
    kr, kb = WEIGHTS[matrix]
    red, green, blue = (Fraction(value, 255) for value in rgb)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    differences = ((blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr)))
    if full:
        return [255 * luma, *(min(255 * value + 128, Fraction(255)) for value in differences)]
    return [219 * luma + 16, *(224 * value + 128 for value in differences)]


def plane_values(frame: av.VideoFrame) -> list[np.ndarray]:
    """The samples of each plane without the padding of its lines."""
    return [np.frombuffer(p, np.uint8).reshape(-1, p.line_size)[: p.height, : p.width] for p in frame.planes]


@cases
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
@given(rgb=colours)
def test_flat_colour_is_within_a_level_of_the_formula(matrix, full, pixel_format, rgb):
    picture = np.full((8, 8, 3), rgb, np.uint8)
    frame = from_rgb(picture, Colour(matrix=matrix, full_range=full), pixel_format)
    for plane, exact in zip(plane_values(frame), formula(rgb, matrix, full), strict=True):
        assert np.ptp(plane) == 0
        assert abs(int(plane[0, 0]) - round(exact)) <= 1


@cases
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
@given(rgb=colours)
def test_flat_colour_survives_the_way_to_yuv_and_back_within_two_levels(matrix, full, pixel_format, rgb):
    colour = Colour(matrix=matrix, full_range=full)
    picture = np.full((8, 8, 3), rgb, np.uint8)
    back = to_rgb(from_rgb(picture, colour, pixel_format), colour)
    assert np.abs(back.astype(int) - picture).max() <= 2


@cases
def test_noise_survives_444_within_two_levels(matrix, full):
    colour = Colour(matrix=matrix, full_range=full)
    picture = np.random.default_rng(5).integers(0, 256, (66, 90, 3), dtype=np.uint8)
    back = to_rgb(from_rgb(picture, colour, "yuv444p"), colour)
    assert np.abs(back.astype(int) - picture).max() <= 2


def test_reading_with_another_matrix_shows_other_colours():
    picture = np.full((8, 8, 3), (200, 40, 60), np.uint8)
    frame = from_rgb(picture, Colour(matrix=6), "yuv444p")
    assert np.abs(to_rgb(frame, Colour(matrix=1)).astype(int) - picture).max() > 4


@pytest.mark.parametrize("open_matrix", [0, 2, 3, 8, 255])
def test_matrix_that_is_not_known_follows_the_size(open_matrix):
    assert known_matrix(open_matrix, 576) == 6
    assert known_matrix(open_matrix, 719) == 6
    assert known_matrix(open_matrix, 720) == 1


@pytest.mark.parametrize("matrix", [1, 5, 6, 7, 9])
def test_matrix_that_is_known_is_kept_at_every_size(matrix):
    assert known_matrix(matrix, 64) == known_matrix(matrix, 1080) == matrix


def test_untagged_frame_is_taken_as_limited_range_and_the_matrix_of_its_size():
    assert frame_colour(av.VideoFrame(256, 256, "yuv420p")) == Colour(2, 2, 6, False)
    assert frame_colour(av.VideoFrame(1280, 720, "yuv420p")) == Colour(2, 2, 1, False)


def test_jpeg_pixel_format_means_full_range():
    assert frame_colour(av.VideoFrame(64, 64, "yuvj420p")).full_range

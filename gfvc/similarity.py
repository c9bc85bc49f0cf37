"""The quality measure of the encoder's closed loop, and how encoder and decoder tell a new scene.

Evaluation has its own metrics; this one has to be quick, and needs no network's library.
"""

from __future__ import annotations

import numpy as np

# BT.601.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32) / 255
WORKING_SIZE = 128
# Mean luma change above which two pictures are of different scenes; the fastest head turns stay under half of it.
SCENE_CUT = 0.16


def small_luma(rgb: np.ndarray, size: int) -> np.ndarray:
    """uint8 [H, W, 3] RGB -> BT.601 luma in 0..1, area-reduced to about ``size`` pixels on the short side, [h, w]."""
    factor = max(1, min(rgb.shape[:2]) // size)
    height, width = (length // factor for length in rgb.shape[:2])
    # Sums of bytes first: they are exact, and what is left is small.
    blocks = rgb[: height * factor, : width * factor].reshape(height, factor, width * factor, 3)
    rows = blocks.sum(1, dtype=np.uint32).reshape(height, width, factor, 3)
    return (rows.sum(2, dtype=np.uint32).astype(np.float32) / factor**2) @ _LUMA


def _windows(values: np.ndarray) -> np.ndarray:
    """Means of 8x8 windows every 4 pixels: [h, w] -> [h // 4 - 1, w // 4 - 1]."""
    height, width = (length // 4 for length in values.shape)
    quarters = values[: height * 4, : width * 4].reshape(height, 4, width, 4).mean((1, 3))
    rows = quarters[1:] + quarters[:-1]
    return (rows[:, 1:] + rows[:, :-1]) / 4


def structural_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Mean SSIM (Wang et al., 2004) of two pictures, uint8 [H, W, 3], on luma reduced to 128 pixels with 8x8 uniform
    windows every 4 pixels: -1..1, 1 is equal."""
    a, b = (small_luma(picture, WORKING_SIZE).astype(np.float64) for picture in (a, b))
    mean_a, mean_b, square_a, square_b, product = (_windows(x) for x in (a, b, a * a, b * b, a * b))
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_a * mean_b + c1) * (2 * (product - mean_a * mean_b) + c2)
    return float((score / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))).mean())


def picture_change(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute luma difference of two pictures at 64 pixels, 0..1: large at a scene cut."""
    return float(np.abs(small_luma(a, 64) - small_luma(b, 64)).mean())


def rests(rgb: np.ndarray, before: np.ndarray) -> bool:
    """Whether more than half of a picture is as it was in the one before; where a camera's noise has been kept, never.

    Both uint8 [H, W, 3].
    """
    change = np.abs(small_luma(rgb, WORKING_SIZE) - small_luma(before, WORKING_SIZE))
    return bool(np.count_nonzero(change < 0.5 / 255) > change.size / 2)

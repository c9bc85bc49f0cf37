"""The encoder's own quality measure, and pictures as tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from gfvc.quality import luma, to_rgb8, to_tensor
from gfvc.similarity import picture_change, rests, structural_similarity

CPU = torch.device("cpu")
SIZES = [(64, 64), (66, 90), (256, 256), (300, 257)]


def picture(height, width, seed=0):
    """Smooth shapes with some texture, uint8 [height, width, 3]."""
    y, x = np.mgrid[:height, :width]
    base = 128 + 60 * np.sin(x / 9) * np.cos(y / 13)
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    return np.clip(base[..., None] + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_equal_pictures_have_similarity_one(height, width):
    shown = picture(height, width)
    assert structural_similarity(shown, shown) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_similarity_falls_as_noise_grows(height, width):
    original = picture(height, width)
    noise = np.random.default_rng(1).normal(0, 1, original.shape)
    scores = [
        structural_similarity(original, np.clip(original + sigma * noise, 0, 255).astype(np.uint8))
        for sigma in (0, 10, 30, 90)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 0.2


def test_similarity_does_not_depend_on_the_order():
    a, b = picture(64, 64), picture(64, 64, seed=3)
    assert structural_similarity(a, b) == pytest.approx(structural_similarity(b, a), abs=1e-6)


def test_inverted_picture_has_negative_similarity():
    shown = picture(64, 64)
    assert structural_similarity(shown, 255 - shown) < 0


@pytest.mark.parametrize(("height", "width"), [(256, 256), (300, 257), (66, 90)])
def test_similarity_is_that_of_the_definition(height, width):
    """Wang et al. (2004) on luma reduced to about 128, in torch, window by window."""
    original = picture(height, width)
    other = np.roll(original, 2, axis=1)

    def reduced(rgb):
        grey = luma(torch.from_numpy(rgb).permute(2, 0, 1)[None].double() / 255)
        factor = max(1, min(height, width) // 128)
        return functional.avg_pool2d(grey, factor)

    a, b = (functional.unfold(reduced(rgb), 8, stride=4)[0] for rgb in (original, other))
    mean_a, mean_b = a.mean(0), b.mean(0)
    covariance = ((a - mean_a) * (b - mean_b)).mean(0)
    score = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
    score /= (mean_a**2 + mean_b**2 + 1e-4) * (a.var(0, unbiased=False) + b.var(0, unbiased=False) + 9e-4)
    assert structural_similarity(original, other) == pytest.approx(float(score.mean()), abs=1e-6)


def test_picture_change_is_zero_for_equal_and_one_from_black_to_white():
    black, white = np.zeros((128, 128, 3), np.uint8), np.full((128, 128, 3), 255, np.uint8)
    assert picture_change(black, black) == 0
    assert picture_change(black, white) == pytest.approx(1, abs=1e-5)


def test_picture_change_is_the_mean_luma_difference():
    shown = np.full((64, 64, 3), 64, np.uint8)
    assert picture_change(shown, shown + 51) == pytest.approx(0.2, abs=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (67, 101), (65, 66), (90, 67)])
def test_tensor_is_padded_with_its_edge_to_multiples_of_four(height, width):
    original = picture(height, width)
    tensor = to_tensor(original, CPU)
    assert tensor.shape == (1, 3, -(-height // 4) * 4, -(-width // 4) * 4)
    assert tensor.dtype == torch.float32
    assert torch.equal(
        tensor[:, :, height:, :width],
        tensor[:, :, height - 1 : height, :width].expand_as(tensor[:, :, height:, :width]),
    )
    assert torch.equal(tensor[..., width:], tensor[..., width - 1 : width].expand_as(tensor[..., width:]))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (67, 101), (65, 66)])
def test_picture_survives_the_way_through_a_tensor(height, width):
    original = picture(height, width)
    assert np.array_equal(to_rgb8(to_tensor(original, CPU), height, width), original)


def test_values_off_the_range_are_clipped_not_wrapped():
    tensor = torch.tensor([-0.5, 0.5, 1.5]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert to_rgb8(tensor, 4, 4)[0, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_picture_rests_if_more_than_half_of_it_is_as_before(height, width):
    before = picture(height, width)
    for columns, expected in ((0, True), (width // 3, True), (2 * width // 3, False), (width, False)):
        after = before.copy()
        after[:, :columns] = 255 - after[:, :columns]
        assert rests(after, before) is expected


def test_noise_of_a_camera_is_no_rest():
    assert not rests(picture(256, 256, 1), picture(256, 256, 0))

"""The parts of the networks that have a right answer."""

from __future__ import annotations

import math

import pytest
import torch

from gfvc.models.analysis import reduce_picture
from gfvc.models.blocks import gaussian_maps, picture_grid, resize_grid, soft_argmax, warp
from gfvc.models.points import MIRROR, POINTS
from gfvc.models.synthesis import affine_fit


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def centre(index: int, count: int) -> float:
    """Position of sample ``index`` of ``count`` in -1..1."""
    return (2 * index + 1) / count - 1


def move(points, matrix, source_centre, driving_centre):
    return (points - driving_centre) @ matrix.transpose(1, 2) + source_centre


@pytest.mark.parametrize("batch", [1, 3])
def test_affine_fit_recovers_a_known_map(batch):
    driving = torch.rand(batch, 17, 2, dtype=torch.float64) * 2 - 1
    true = torch.tensor([[1.1, -0.3], [0.25, 0.8]], dtype=torch.float64)
    source = driving @ true.T + torch.tensor([0.2, -0.1], dtype=torch.float64)
    matrix, source_centre, driving_centre = affine_fit(source, driving, ridge=1e-9)
    assert torch.allclose(matrix, true.expand(batch, 2, 2), atol=1e-6)
    assert torch.allclose(move(driving, matrix, source_centre, driving_centre), source, atol=1e-6)


def test_affine_fit_minimises_the_squared_error():
    driving = torch.rand(1, 17, 2, dtype=torch.float64) * 2 - 1
    source = driving + 0.2 * torch.randn_like(driving)
    matrix, *centres = affine_fit(source, driving, ridge=1e-9)
    best = ((move(driving, matrix, *centres) - source) ** 2).sum()
    for _ in range(20):
        other = matrix + 0.05 * torch.randn_like(matrix)
        assert ((move(driving, other, *centres) - source) ** 2).sum() >= best


def test_affine_fit_of_equal_points_is_identity_with_any_ridge():
    points = torch.rand(2, 17, 2)
    for ridge in (1e-6, 0.05, 10.0):
        matrix, source_centre, driving_centre = affine_fit(points, points, ridge)
        assert torch.allclose(matrix, torch.eye(2).expand(2, 2, 2), atol=1e-4)
        assert torch.equal(source_centre, driving_centre)


def test_affine_fit_of_coinciding_points_stays_finite():
    matrix, *_ = affine_fit(torch.zeros(1, 17, 2), torch.ones(1, 17, 2))
    assert torch.allclose(matrix, torch.eye(2)[None])


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 30), (31, 12)])
def test_soft_argmax_finds_a_peak(row, column):
    logits = torch.zeros(1, 2, 32, 40)
    logits[0, 1, row, column] = 60
    points = soft_argmax(logits)
    assert points[0, 1].tolist() == pytest.approx([centre(column, 40), centre(row, 32)], abs=1e-4)
    # A flat map has its expected position in the middle.
    assert points[0, 0].tolist() == pytest.approx([0, 0], abs=1e-5)


def test_soft_argmax_between_two_equal_peaks_is_their_middle():
    logits = torch.zeros(1, 1, 32, 32)
    logits[0, 0, 8, 4] = logits[0, 0, 8, 6] = 60
    assert soft_argmax(logits)[0, 0].tolist() == pytest.approx([centre(5, 32), centre(8, 32)], abs=1e-4)


def test_gaussian_maps_have_their_peak_and_width_where_asked():
    size, sigma = 64, 0.1
    point = torch.tensor([[[centre(40, size), centre(10, size)]]])
    bump = gaussian_maps(point, size, sigma)[0, 0]
    assert bump[10, 40].item() == pytest.approx(1)
    assert divmod(bump.argmax().item(), size) == (10, 40)
    distance = 3 * 2 / size
    assert bump[10, 43].item() == pytest.approx(math.exp(-(distance**2) / (2 * sigma**2)), abs=1e-5)
    assert torch.allclose(bump[7:14], bump[7:14].flip(0))


def test_warp_with_the_identity_grid_changes_nothing():
    picture = torch.rand(1, 3, 20, 28)
    grid = picture_grid(20, 28, picture)[None]
    assert torch.allclose(warp(picture, grid), picture, atol=1e-5)


def test_warp_repeats_the_border_outside():
    picture = torch.rand(1, 1, 8, 8)
    grid = picture_grid(8, 8, picture)[None] + torch.tensor([4.0, 0.0])
    assert torch.allclose(warp(picture, grid), picture[..., -1:].expand(1, 1, 8, 8), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (17, 25), (256, 256), (68, 92)])
def test_resized_identity_grid_is_the_identity_grid(height, width):
    like = torch.zeros(1)
    resized = resize_grid(picture_grid(64, 64, like)[None], height, width)
    assert torch.allclose(resized[0], picture_grid(height, width, like), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (256, 256), (64, 64), (68, 104), (200, 144)])
def test_reduced_picture_keeps_a_flat_colour_and_the_size_asked_for(height, width):
    reduced = reduce_picture(torch.full((2, 3, height, width), 0.3), 128)
    assert reduced.shape == (2, 3, 128, 128)
    assert torch.allclose(reduced, torch.full_like(reduced, 0.3), atol=1e-5)


def test_mirror_of_the_mirror_is_the_point_itself():
    assert [MIRROR[MIRROR[index]] for index in range(len(POINTS))] == list(range(len(POINTS)))
    for point in POINTS:
        assert ("left" in point.name) == ("right" in point.mirror)

"""Where lips and lids open further than in the key picture."""

from __future__ import annotations

import pytest
import torch

from gfvc.models.openings import openings
from gfvc.models.points import POINT_COUNT, index_of

SIZE = 128
LIPS = index_of("upper_lip", "lower_lip")
LIDS = index_of("right_lid_upper", "right_lid_lower")


@pytest.fixture
def closed() -> torch.Tensor:
    """Key points of a face with mouth and eyes closed: [1, K, 2]."""
    points = torch.zeros(1, POINT_COUNT, 2)
    for name, place in {
        "mouth_right": (-0.2, 0.3),
        "mouth_left": (0.2, 0.3),
        "upper_lip": (0.0, 0.3),
        "lower_lip": (0.0, 0.3),
        "right_iris": (-0.25, -0.2),
        "left_iris": (0.25, -0.2),
        "right_lid_upper": (-0.25, -0.2),
        "right_lid_lower": (-0.25, -0.2),
        "left_lid_upper": (0.25, -0.2),
        "left_lid_lower": (0.25, -0.2),
    }.items():
        points[0, index_of(name)[0]] = torch.tensor(place)
    return points


def opened(points: torch.Tensor, pair: tuple[int, ...], by: float) -> torch.Tensor:
    """The same with a pair of lips or lids further apart."""
    points = points.clone()
    points[:, pair[0], 1] -= by / 2
    points[:, pair[1], 1] += by / 2
    return points


def at(found: torch.Tensor, x: float, y: float) -> float:
    row, column = (int((value + 1) / 2 * SIZE) for value in (y, x))
    return float(found[0, 0, row, column])


@pytest.mark.parametrize(("pair", "x", "y"), [(LIPS, 0.0, 0.3), (LIDS, -0.25, -0.2)])
def test_what_opens_is_found_and_nothing_else(closed, pair, x, y):
    found = openings(closed, opened(closed, pair, 0.12), SIZE, SIZE)
    assert found.shape == (1, 1, SIZE, SIZE)
    assert at(found, x, y) > 0.95
    assert at(found, x, y + 0.1) < 0.05
    assert at(found, x, y - 0.1) < 0.05
    assert at(found, 0.8, 0.8) < 0.01


@pytest.mark.parametrize("before", [0.0, 0.1])
def test_what_is_as_open_as_before_is_moved_not_drawn(closed, before):
    points = opened(opened(closed, LIPS, before), LIDS, before)
    assert openings(points, points + 0.1, SIZE, SIZE).max() == 0


def test_what_closes_is_not_drawn(closed):
    assert openings(opened(closed, LIPS, 0.1), closed, SIZE, SIZE).max() == 0


def test_wider_mouths_are_larger(closed):
    areas = [float(openings(closed, opened(closed, LIPS, by), SIZE, SIZE).sum()) for by in (0.04, 0.08, 0.16)]
    assert areas == sorted(areas)
    assert areas[2] > 3 * areas[0]


def test_mouth_of_a_turned_head_is_turned(closed):
    """By a right angle: the opening is then as high as it was wide."""
    driving = opened(closed, LIPS, 0.08)
    turned = torch.stack((-driving[..., 1], driving[..., 0]), dim=-1)
    upright, lying = (openings(closed, points, SIZE, SIZE)[0, 0] for points in (driving, turned))
    assert torch.allclose(upright.rot90(-1), lying, atol=0.05)

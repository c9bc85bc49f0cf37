"""Outline points: where a drawn person ends."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.outlines import outline_points

SIZE = 256
FOREHEAD, CHIN, BETWEEN_THE_EYES = 10, 152, 168


@pytest.fixture
def person():
    """A round head of radius 0.4 around (0.1, -0.2), on shoulders from -0.7 to 0.9 whose upper edge is at 0.5."""
    axis = (np.arange(SIZE) * 2 + 1) / SIZE - 1
    x, y = np.meshgrid(axis, axis)
    head = (x - 0.1) ** 2 + (y + 0.2) ** 2 < 0.4**2
    neck = (abs(x - 0.1) < 0.1) & (y > 0)
    body = (x > -0.7) & (x < 0.9) & (y > 0.5)
    return (head | neck | body).astype(float)


@pytest.fixture
def marks():
    marks = np.zeros((478, 2))
    marks[FOREHEAD], marks[CHIN], marks[BETWEEN_THE_EYES] = (0.1, -0.4), (0.1, 0.1), (0.1, -0.2)
    return marks


def test_points_are_at_the_ends_of_hair_and_shoulders(person, marks):
    crown, right, left, right_shoulder, left_shoulder = outline_points(person, marks)
    assert crown == pytest.approx([0.1, -0.6], abs=0.02)
    assert right == pytest.approx([-0.3, -0.2], abs=0.02)
    assert left == pytest.approx([0.5, -0.2], abs=0.02)
    assert right_shoulder == pytest.approx([0.1 - 0.75 * 0.8, 0.5], abs=0.02)
    assert left_shoulder == pytest.approx([0.1 + 0.75 * 0.8, 0.5], abs=0.02)


def test_a_tilted_head_has_its_crown_along_its_axis(person, marks):
    marks[FOREHEAD] = marks[BETWEEN_THE_EYES] + 0.2 * np.array([np.sin(0.3), -np.cos(0.3)])
    marks[CHIN] = marks[BETWEEN_THE_EYES] - 0.3 * np.array([np.sin(0.3), -np.cos(0.3)])
    crown = outline_points(person, marks)[0]
    assert crown == pytest.approx([0.1 + 0.4 * np.sin(0.3), -0.2 - 0.4 * np.cos(0.3)], abs=0.02)


def test_small_holes_are_not_the_end(person, marks):
    person[100:102] = 0
    assert outline_points(person, marks)[0] == pytest.approx([0.1, -0.6], abs=0.02)


def test_a_head_that_leaves_the_picture_ends_at_its_edge(marks):
    crown, right, left, *_ = outline_points(np.ones((SIZE, SIZE)), marks)
    assert crown[1] == pytest.approx(-1, abs=0.02)
    assert abs(right[0]) <= 1.02
    assert abs(left[0]) <= 1.02


def test_without_a_face_or_a_body_nothing_is_known(person, marks):
    assert np.isnan(outline_points(person, np.full((478, 2), np.nan))).all()
    person[int(0.8 * SIZE) :] = 0
    assert np.isnan(outline_points(person, marks)).all()

"""What the decoder shows of changes too small to be seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gfvc.stillness import Settler

SHAPE = (4, 4, 3)
pictures = arrays(np.uint8, SHAPE)


@given(st.lists(st.tuples(pictures, st.booleans()), min_size=2, max_size=6), st.integers(0, 127))
def test_nothing_shown_is_off_by_more_than_the_slack(generated, slack):
    settler = Settler(slack)
    for picture, is_key in generated:
        shown = settler(picture, is_key=is_key)
        assert shown.dtype == np.uint8
        assert np.abs(shown.astype(int) - picture.astype(int)).max() <= slack


@given(pictures, st.integers(1, 10))
def test_trembling_comes_to_rest(picture, slack):
    settler = Settler(slack)
    middle = picture.clip(10, 245)
    settler(middle, is_key=True)
    shown = [settler(middle + np.uint8(slack) * (turn % 2) - np.uint8(slack), is_key=False) for turn in range(4)]
    assert all((found == middle).all() for found in shown)


def test_a_new_key_picture_of_the_same_scene_does_not_flash():
    settler = Settler(5)
    settler(np.full(SHAPE, 100, np.uint8), is_key=True)
    assert (settler(np.full(SHAPE, 103, np.uint8), is_key=True) == 100).all()
    assert (settler(np.full(SHAPE, 108, np.uint8), is_key=True) == 103).all()


def test_key_pictures_of_another_scene_are_shown_as_they_are():
    settler = Settler(5)
    settler(np.full(SHAPE, 100, np.uint8), is_key=True)
    assert (settler(np.full(SHAPE, 200, np.uint8), is_key=True) == 200).all()
    # A driven picture never does.
    assert (settler(np.full(SHAPE, 100, np.uint8), is_key=False) == 105).all()


def test_no_slack_shows_everything():
    settler = Settler(0)
    for value in (10, 11, 10):
        assert (settler(np.full(SHAPE, value, np.uint8), is_key=False) == value).all()


@pytest.mark.parametrize("slack", [-1, 128])
def test_slack_off_its_range_is_refused(slack):
    with pytest.raises(ValueError, match="slack"):
        Settler(slack)

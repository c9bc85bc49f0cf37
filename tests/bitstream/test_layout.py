"""Groups of values and their quantiser steps."""

from fractions import Fraction

import pytest

from bitstream import Group, Layout, step_size


@pytest.mark.parametrize(
    ("index", "expected"),
    [(0, "1"), (1, "7/8"), (2, "3/4"), (3, "5/8"), (4, "1/2"), (7, "5/16"), (24, "1/64"), (127, f"5/{8 << 31}")],
)
def test_steps_follow_the_table_of_four_per_octave(index, expected):
    assert step_size(index) == Fraction(expected)


def test_steps_decrease_and_are_exact_as_floats():
    steps = [step_size(index) for index in range(128)]
    assert steps == sorted(set(steps), reverse=True)
    assert all(Fraction(float(step)) == step for step in steps)


@pytest.mark.parametrize("index", [-1, 128])
def test_a_step_index_out_of_range_is_refused(index):
    with pytest.raises(ValueError, match=r"0\.\.127 expected"):
        step_size(index)
    with pytest.raises(ValueError, match=r"0\.\.127 expected"):
        Layout((Group(2, 1, index, False),))


def test_count_and_steps_run_over_all_groups():
    layout = Layout((Group(2, 2, 0, False), Group(3, 1, 4, False)))
    assert layout.count == 5
    assert layout.steps() == [1.0, 1.0, 0.5, 0.5, 0.5]


def test_the_largest_layout_is_accepted():
    assert Layout((Group(1024, 4, 127, False),) * 16).count == 16384


@pytest.mark.parametrize(
    "groups",
    [
        (),
        (Group(1, 1, 0, False),) * 17,
        (Group(0, 1, 0, False),),
        (Group(1025, 1, 0, False),),
        (Group(4, 0, 0, False),),
        (Group(5, 5, 0, False),),
        (Group(5, 2, 0, False),),
        (Group(4, 2, 0, True),),
        (Group(4, 2, 0, False), Group(3, 1, 0, True)),
    ],
    ids=[
        "no group",
        "17 groups",
        "empty group",
        "group too large",
        "no components",
        "five components",
        "components do not divide",
        "first group follows",
        "other components follow",
    ],
)
def test_an_illegal_layout_is_refused(groups):
    with pytest.raises(ValueError, match=r"expected|divide|follow"):
        Layout(groups)

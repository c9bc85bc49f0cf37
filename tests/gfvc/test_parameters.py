"""The quantiser: bounded error, silence for a still input, integers that the syntax can hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bitstream import Group, Layout
from bitstream.layout import VALUE_LIMIT
from gfvc.models.families import FAMILIES
from gfvc.parameters import Quantiser, Smoother, stream_layout

LAYOUTS = {name: stream_layout(family.groups) for name, family in FAMILIES.items()}
families = pytest.mark.parametrize("family", sorted(LAYOUTS))
dead_zones = st.sampled_from([0.0, 0.3, 0.5, 0.75, 1.0, 2.5, 8.0])


def values_of(draw, family, low=-1.5, high=1.5):
    """Parameters in the range of key points, float32 [n]."""
    return draw(arrays(np.float32, LAYOUTS[family].count, elements=st.floats(low, high, width=32)))


def error_in_steps(quantiser, values, parameters):
    return np.abs(quantiser.dequantise(values).astype(np.float64) - parameters) / quantiser.steps


@families
@given(data=st.data(), dead_zone=dead_zones)
def test_error_is_at_most_half_a_step_or_the_dead_zone(family, data, dead_zone):
    quantiser = Quantiser(LAYOUTS[family], dead_zone)
    before, now = values_of(data.draw, family), values_of(data.draw, family)
    values = quantiser.quantise(now, quantiser.quantise_key(before))
    assert error_in_steps(quantiser, values, now).max() <= max(0.5, dead_zone) + 1e-3


@families
@given(data=st.data())
def test_key_picture_gets_the_nearest_integers(family, data):
    quantiser = Quantiser(LAYOUTS[family])
    parameters = values_of(data.draw, family)
    values = quantiser.quantise_key(parameters)
    assert all(type(value) is int for value in values)
    assert error_in_steps(quantiser, values, parameters).max() <= 0.5 + 1e-3


@families
@given(data=st.data(), dead_zone=dead_zones)
def test_equal_input_sends_nothing(family, data, dead_zone):
    quantiser = Quantiser(LAYOUTS[family], dead_zone)
    parameters = values_of(data.draw, family)
    key = quantiser.quantise_key(parameters)
    assert quantiser.quantise(parameters, key) == key


@families
@given(data=st.data(), dead_zone=st.sampled_from([0.75, 1.0, 2.0]))
def test_noise_within_the_dead_zone_sends_nothing(family, data, dead_zone):
    quantiser = Quantiser(LAYOUTS[family], dead_zone)
    key = quantiser.quantise_key(values_of(data.draw, family))
    noise = values_of(data.draw, family, -1, 1) * quantiser.steps * dead_zone * 0.99
    assert quantiser.quantise(quantiser.dequantise(key) + noise, key) == key


@families
@given(data=st.data(), dead_zone=dead_zones)
def test_head_that_stops_stays_where_it_was_sent(family, data, dead_zone):
    quantiser = Quantiser(LAYOUTS[family], dead_zone)
    moved = values_of(data.draw, family)
    values = quantiser.quantise(moved, quantiser.quantise_key(values_of(data.draw, family)))
    settled = quantiser.quantise(moved, values)
    assert settled == values or dead_zone < 0.5
    assert quantiser.quantise(moved, settled) == settled


@families
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_output_that_is_not_finite_becomes_integers_of_the_syntax(family, bad):
    quantiser = Quantiser(LAYOUTS[family])
    parameters = np.zeros(LAYOUTS[family].count, np.float32)
    parameters[::3] = bad
    key = quantiser.quantise_key(parameters)
    later = quantiser.quantise(parameters, quantiser.quantise_key(-parameters))
    for values in (key, later):
        assert all(type(value) is int and abs(value) <= VALUE_LIMIT for value in values)


@families
def test_dequantised_values_are_float32_multiples_of_the_steps(family):
    quantiser = Quantiser(LAYOUTS[family])
    ones = quantiser.dequantise([1] * LAYOUTS[family].count)
    assert ones.dtype == np.float32
    assert np.array_equal(ones, quantiser.steps.astype(np.float32))


@families
def test_four_quarter_octaves_halve_the_steps(family):
    groups = FAMILIES[family].groups
    usual, finer = (np.array(stream_layout(groups, offset).steps()) for offset in (0, 4))
    assert np.array_equal(finer, usual / 2)


@pytest.mark.parametrize("dead_zone", [-0.1, 8.1, float("nan")])
def test_dead_zone_off_its_range_is_refused(dead_zone):
    with pytest.raises(ValueError, match="dead zone"):
        Quantiser(LAYOUTS["compact"], dead_zone)


def test_smoothing_calms_noise_and_follows_motion():
    steps = np.full(4, 0.01)
    generator = np.random.default_rng(2)
    noise = generator.normal(0, 0.005, (200, 4))
    smoother = Smoother(steps, 0.8)
    calmed = np.stack([smoother(row) for row in noise])
    assert np.abs(np.diff(calmed, axis=0)).mean() < 0.5 * np.abs(np.diff(noise, axis=0)).mean()
    # A jump of more than its reach arrives at once.
    assert smoother(np.full(4, 0.5)) == pytest.approx(0.5)


def test_no_smoothing_changes_nothing():
    smoother = Smoother(np.full(3, 0.01), 0.0)
    for row in np.random.default_rng(0).normal(size=(5, 3)):
        assert (smoother(row) == row).all()


def test_smoothing_starts_anew_with_a_group():
    smoother = Smoother(np.full(1, 1.0), 0.9)
    smoother(np.zeros(1))
    smoother.reset()
    assert smoother(np.ones(1)) == 1


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_off_its_range_is_refused(smoothing):
    with pytest.raises(ValueError, match="smoothing"):
        Smoother(np.ones(1), smoothing)


def cost(values, target, metric, previous, lagrangian):
    error = np.array(values) * Quantiser(CODE).steps - target
    bits = [0.4 if value == old else 3 + 2 * np.log2(abs(value - old)) for value, old in zip(values, previous)]  # noqa: B905
    return error @ metric @ error + lagrangian * sum(bits)


CODE = Layout((Group(1, 1, 17, False), Group(5, 1, 17, False)))


@given(st.integers(0, 1000), st.sampled_from([0.0, 1e-4, 1e-2, 1.0]))
def test_optimised_values_cost_no_more_than_rounded_or_unchanged_ones(seed, lagrangian):
    generator = np.random.default_rng(seed)
    half = generator.normal(size=(6, 6))
    metric = half @ half.T + 0.01 * np.eye(6)
    previous = generator.integers(-20, 20, 6).tolist()
    quantiser = Quantiser(CODE, 0.0)
    target = (np.array(previous) + generator.normal(size=6) * 3) * quantiser.steps
    found = quantiser.optimise(target, metric, previous, lagrangian)
    assert all(isinstance(value, int) for value in found)
    assert cost(found, target, metric, previous, lagrangian) <= cost(previous, target, metric, previous, lagrangian)
    if lagrangian >= 1:
        assert found == previous


def test_optimised_values_without_interaction_or_rate_are_the_nearest():
    quantiser = Quantiser(CODE, 0.0)
    target = np.array([0.4, -1.6, 2.2, 0.0, 7.9, -3.1]) * quantiser.steps
    assert quantiser.optimise(target, np.eye(6), [5, 0, 0, 0, 0, 0], 0.0) == [0, -2, 2, 0, 8, -3]


def test_optimised_value_stands_for_another_that_would_cost_more():
    """Two values of the same effect, both wanted half a step higher: one of them by a whole step does it."""
    quantiser = Quantiser(CODE, 0.0)
    metric = np.eye(6)
    metric[1, 2] = metric[2, 1] = 0.999
    target = np.array([0, 0.5, 0.5, 0, 0, 0]) * quantiser.steps
    found = quantiser.optimise(target, metric, [0] * 6, 1e-9)
    assert sorted(found[1:3]) == [0, 1]


def test_values_that_are_no_numbers_change_nothing_for_the_worse():
    quantiser = Quantiser(CODE, 0.0)
    found = quantiser.optimise(np.full(6, np.nan), np.full((6, 6), np.nan), [1] * 6, 1e-5)
    assert found == [1] * 6


@families
@pytest.mark.parametrize("offset", [-12, -9, 12])
def test_every_offset_of_the_option_gives_steps(family, offset):
    """Of the groups of the newest generation; none is coarser than the syntax can say."""
    groups = FAMILIES[family]().groups
    usual, changed = (np.array(stream_layout(groups, by).steps()) for by in (0, offset))
    assert (changed <= 1).all()
    assert ((changed > usual) | (changed == 1) if offset < 0 else changed < usual).all()

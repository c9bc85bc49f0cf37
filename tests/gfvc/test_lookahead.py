"""The choice over several pictures: what it costs, against what it chooses from."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gfvc.lookahead import Candidate, Lookahead, _Choice, choose_together
from gfvc.parameters import change_bits
from gfvc.registration import Fit

STEPS = np.array([0.5, 0.25, 0.25])
BEFORE = [0, 0, 0]
# What waking a picture costs in bits.
WAKING = 4


def candidates(targets, chosen, *, metric=None, trembling=None, shown=0.0):
    """Fits of ``targets`` [T, n], in quantiser steps, with an error of 1 for a step unless a metric says otherwise."""
    scale = 1 / np.outer(STEPS, STEPS)
    metric = scale * (np.eye(3) if metric is None else metric)
    trembling = scale * (np.zeros((3, 3)) if trembling is None else trembling)
    return [
        Candidate(Fit(target * STEPS, metric, trembling), np.full(3, shown), values)
        for target, values in zip(np.asarray(targets, float), chosen, strict=True)
    ]


def cost(values, found, lagrangian):
    """Error, trembling and bits of values [T][n]."""
    total, last = 0.0, np.array(BEFORE, float)
    for row, (fit, shown, _) in zip(values, found, strict=True):
        row, best = np.array(row, float), fit.parameters / STEPS
        metric, trembling = (part * np.outer(STEPS, STEPS) for part in (fit.metric, fit.trembling))
        # Around the fit, which is the best of error and square trembling against what was shown.
        pull = metric @ best + trembling @ (best - shown / STEPS)
        change = row - last
        total += row @ metric @ row - 2 * pull @ row + np.sqrt(change @ trembling @ change)
        total += lagrangian * (change_bits(change).sum() + WAKING * change.any())
        last = row
    return total


def random_candidates(seed, pictures=6):
    """Targets that wander, and what one would choose for each picture alone."""
    generator = np.random.default_rng(seed)
    half, other = generator.normal(size=(2, 3, 3))
    targets = generator.normal(size=(pictures, 3)).cumsum(0)
    greedy = np.rint(targets).astype(int)
    # Some pictures rest.
    greedy[1::3] = greedy[::3][: len(greedy[1::3])]
    metric, trembling = half @ half.T + 0.1 * np.eye(3), 0.3 * other @ other.T
    return candidates(targets, greedy.tolist(), metric=metric, trembling=trembling, shown=0.4)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.05, 1.0]))
def test_choice_costs_no_more_than_what_it_starts_from(seed, lagrangian):
    found = random_candidates(seed)
    chosen = choose_together(found, BEFORE, STEPS, lagrangian)
    assert all(isinstance(value, int) for row in chosen for value in row)
    assert cost(chosen, found, lagrangian) <= cost([one.values for one in found], found, lagrangian) + 1e-9


@given(st.integers(0, 10_000), st.integers(0, 2), st.sampled_from([0.0, 0.05, 1.0]))
def test_each_value_gets_the_best_of_its_courses(seed, index, lagrangian):
    """Against all courses of four levels around the one it has, in three pictures."""
    found = random_candidates(seed, 3)
    choice = _Choice(found, BEFORE, STEPS, lagrangian)
    own = choice.values[:, index].copy()
    others = []
    for course in itertools.product((-2, -1, 0, 1), repeat=3):
        values = choice.values.copy()
        values[:, index] = own + course
        others.append(cost(values, found, lagrangian))
    choice.improve(index)
    if not np.array_equal(choice.values[:, index], own):
        assert cost(choice.values, found, lagrangian) <= min(others) + 1e-9
    # What it remembers of itself is what another would find.
    anew = _Choice([one._replace(values=row) for one, row in zip(found, choice.values, strict=True)], BEFORE, STEPS, 0)
    assert choice._changes == pytest.approx(anew._changes)
    assert choice._forms == pytest.approx(anew._forms, abs=1e-9)


@given(st.integers(0, 10_000), st.integers(0, 11), st.sampled_from([0.01, 0.05, 1.0]))
def test_changes_move_to_the_best_place(seed, picture, lagrangian):
    """Against all earlier and later places, made one after the other."""
    found = random_candidates(seed, 12)
    choice = _Choice(found, BEFORE, STEPS, lagrangian)
    values = choice.values.copy()
    held = values[picture - 1] if picture else np.array(BEFORE, float)
    ways = [values]
    for reach in range(1, 9):
        later, earlier = values.copy(), values.copy()
        later[picture : picture + reach] = held
        earlier[max(0, picture - reach) : picture] = values[picture]
        ways += [later, earlier]
    changed = bool((values[picture] != held).any())
    costs = [cost(way, found, lagrangian) for way in ways] if changed else [cost(values, found, lagrangian)]
    moved = choice.move(picture)
    assert cost(choice.values, found, lagrangian) == pytest.approx(min(costs), abs=1.1e-3 * lagrangian)
    assert moved == (not np.array_equal(choice.values, values))


def test_single_value_has_the_best_course_of_all():
    """Against all courses of levels that there are."""
    targets = np.zeros((4, 3))
    targets[:, 0] = (0.2, 1.4, 1.1, -0.6)
    found = candidates(targets, np.zeros((4, 3), int).tolist(), trembling=np.diag([0.1, 1, 1]))
    chosen = choose_together(found, BEFORE, STEPS, 1e-3)
    rows = [[[level, 0, 0] for level in course] for course in itertools.product(range(-2, 4), repeat=4)]
    assert cost(chosen, found, 1e-3) == pytest.approx(min(cost(row, found, 1e-3) for row in rows))


def test_change_is_made_where_it_lasts():
    """An error of 0.6 steps: less than a change costs in one picture, more in eight."""
    lasting, passing = np.zeros((2, 8, 3))
    lasting[:, 1] = 0.6
    passing[3, 1] = 0.6
    still = np.zeros((8, 3), int).tolist()
    assert choose_together(candidates(passing, still), BEFORE, STEPS, 0.08) == still
    changed = choose_together(candidates(lasting, still), BEFORE, STEPS, 0.08)
    assert [row[1] for row in changed] == [1] * 8


def test_what_comes_and_goes_is_left_alone():
    targets = np.zeros((8, 3))
    targets[::2, 0] = 1.0
    greedy = targets.astype(int).tolist()
    chosen = choose_together(candidates(targets, greedy), BEFORE, STEPS, 0.2)
    assert len({row[0] for row in chosen}) == 1


def test_changes_come_together():
    """Two values that begin to be wrong a picture apart, by little: one picture wakes for both."""
    targets = np.zeros((8, 3))
    targets[3:, 0] = targets[4:, 2] = 1.0
    greedy = targets.astype(int).tolist()
    chosen = np.array(choose_together(candidates(targets, greedy, metric=0.1 * np.eye(3)), BEFORE, STEPS, 0.03))
    assert (chosen[-1] == (1, 0, 1)).all()
    assert np.diff(chosen, axis=0).any(1).sum() == 1


def test_changes_wait_for_a_picture_that_moves():
    """A value that is a little wrong from the third picture on; only in the sixth the original does not rest."""
    targets = np.zeros((8, 3))
    targets[2:, 0] = 1.0
    still = np.diag([0.5, 0.5, 0.5])
    greedy = targets.astype(int).tolist()
    found = candidates(targets, greedy, metric=0.05 * np.eye(3), trembling=still)
    found = [one._replace(shown=one.fit.parameters) for one in found]
    found[5] = found[5]._replace(fit=found[5].fit._replace(trembling=np.zeros((3, 3))))
    assert [row[0] for row in choose_together(found, BEFORE, STEPS, 1e-4)] == [0, 0, 0, 0, 0, 1, 1, 1]


def test_what_is_no_number_or_far_away_is_as_it_was():
    targets = np.full((3, 3), np.nan)
    still = np.zeros((3, 3), int).tolist()
    assert choose_together(candidates(targets, still, metric=np.full((3, 3), np.nan)), [0] * 3, STEPS, 1e-3) == still
    far = [[0, 0, 0], [30000, 0, 0], [-30000, 0, 0]]
    assert choose_together(candidates(far, far), BEFORE, STEPS, 1e-9) == far


def test_blocks_are_decided_with_as_many_in_sight():
    lookahead = Lookahead(STEPS, 1e-3, 2)
    lookahead.start([5, 5, 5])
    waiting = candidates(np.full((7, 3), 5.0), [[5, 5, 5]] * 7)
    assert [len(lookahead.push(candidate)) for candidate in waiting] == [0, 0, 0, 2, 0, 2, 0]
    assert lookahead.flush() == [[5, 5, 5]] * 3
    assert lookahead.flush() == []

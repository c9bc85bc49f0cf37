"""The choice over several pictures: what it costs, against what it chooses from."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gfvc.lookahead import Candidate, Lookahead, choose_together
from gfvc.parameters import change_bits
from gfvc.registration import Fit

STEPS = np.array([0.5, 0.25, 0.25])


def candidates(targets, chosen, *, metric=None, trembling=None, shown=0.0):
    """Fits of ``targets`` [T, n], in quantiser steps, with an error of 1 for a step unless a metric says otherwise."""
    scale = 1 / np.outer(STEPS, STEPS)
    metric = scale * (np.eye(3) if metric is None else metric)
    trembling = scale * (np.zeros((3, 3)) if trembling is None else trembling)
    return [
        Candidate(Fit(target * STEPS, metric, trembling), np.full(3, shown), values)
        for target, values in zip(np.asarray(targets, float), chosen, strict=True)
    ]


def cost(values, before, found, lagrangian):
    """Error, trembling and bits of values [T][n], without what waking a picture costs."""
    total, last = 0.0, np.array(before, float)
    for row, (fit, shown, _) in zip(values, found, strict=True):
        row, best = np.array(row, float), fit.parameters / STEPS
        metric, trembling = (part * np.outer(STEPS, STEPS) for part in (fit.metric, fit.trembling))
        # Around the fit, which is the best of both against what was shown.
        pull = metric @ best + trembling @ (best - shown / STEPS)
        total += row @ metric @ row - 2 * pull @ row + (row - last) @ trembling @ (row - last)
        total += lagrangian * change_bits(row - last).sum()
        last = row
    return total


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.05, 1.0]))
def test_choice_costs_no_more_than_what_it_starts_from(seed, lagrangian):
    generator = np.random.default_rng(seed)
    half, other = generator.normal(size=(2, 3, 3))
    targets = generator.normal(size=(6, 3)).cumsum(0)
    greedy = np.rint(targets).astype(int).tolist()
    found = candidates(
        targets, greedy, metric=half @ half.T + 0.1 * np.eye(3), trembling=0.3 * other @ other.T, shown=0.4
    )
    chosen = choose_together(found, [0, 0, 0], STEPS, lagrangian)
    assert all(isinstance(value, int) for row in chosen for value in row)
    # Waking a picture costs bits of its own, as many in all as there are pictures to wake at most.
    woken = [sum(np.any(np.diff([[0, 0, 0], *rows], axis=0), axis=1)) for rows in (chosen, greedy)]
    allowed = 16 * lagrangian * max(0, woken[1] - woken[0])
    assert cost(chosen, [0, 0, 0], found, lagrangian) <= cost(greedy, [0, 0, 0], found, lagrangian) + allowed + 1e-9


def test_single_value_has_the_best_course_of_all():
    """Against all courses of levels that there are."""
    targets = np.zeros((4, 3))
    targets[:, 0] = (0.2, 1.4, 1.1, -0.6)
    found = candidates(targets, np.zeros((4, 3), int).tolist(), trembling=np.diag([0.1, 1, 1]))
    chosen = choose_together(found, [0, 0, 0], STEPS, 1e-3)
    rows = [[[level, 0, 0] for level in course] for course in itertools.product(range(-2, 4), repeat=4)]
    assert cost(chosen, [0, 0, 0], found, 1e-3) == pytest.approx(
        min(cost(row, [0, 0, 0], found, 1e-3) for row in rows), abs=0.05
    )


def test_change_is_made_where_it_lasts():
    """An error of 0.6 steps: less than a change costs in one picture, more in eight."""
    lasting, passing = np.zeros((2, 8, 3))
    lasting[:, 1] = 0.6
    passing[3, 1] = 0.6
    still = np.zeros((8, 3), int).tolist()
    assert choose_together(candidates(passing, still), [0, 0, 0], STEPS, 0.03) == still
    changed = choose_together(candidates(lasting, still), [0, 0, 0], STEPS, 0.03)
    assert [row[1] for row in changed] == [1] * 8


def test_what_comes_and_goes_is_left_alone():
    targets = np.zeros((8, 3))
    targets[::2, 0] = 1.0
    greedy = targets.astype(int).tolist()
    chosen = choose_together(candidates(targets, greedy), [0, 0, 0], STEPS, 0.2)
    assert len({row[0] for row in chosen}) == 1


def test_changes_come_together():
    """Two values that begin to be wrong a picture apart, by little: one picture wakes for both."""
    targets = np.zeros((8, 3))
    targets[3:, 0] = targets[4:, 2] = 1.0
    greedy = targets.astype(int).tolist()
    chosen = np.array(choose_together(candidates(targets, greedy, metric=0.1 * np.eye(3)), [0, 0, 0], STEPS, 0.008))
    assert (chosen[-1] == (1, 0, 1)).all()
    assert np.diff(chosen, axis=0).any(1).sum() == 1


def test_what_is_no_number_or_far_away_is_as_it_was():
    targets = np.full((3, 3), np.nan)
    still = np.zeros((3, 3), int).tolist()
    assert choose_together(candidates(targets, still, metric=np.full((3, 3), np.nan)), [0] * 3, STEPS, 1e-3) == still
    far = [[0, 0, 0], [30000, 0, 0], [-30000, 0, 0]]
    assert choose_together(candidates(far, far), [0, 0, 0], STEPS, 1e-9) == far


def test_blocks_are_decided_with_as_many_in_sight():
    lookahead = Lookahead(STEPS, 1e-3, 2)
    lookahead.start([5, 5, 5])
    waiting = candidates(np.full((7, 3), 5.0), [[5, 5, 5]] * 7)
    assert [len(lookahead.push(candidate)) for candidate in waiting] == [0, 0, 0, 2, 0, 2, 0]
    assert lookahead.flush() == [[5, 5, 5]] * 3
    assert lookahead.flush() == []

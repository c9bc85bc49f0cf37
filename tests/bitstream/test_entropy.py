"""What the parameters of a picture cost: close to the entropy of Laplacian residuals of any scale."""

import functools

import numpy as np
import pytest

from bitstream import Group, Layout
from bitstream.cabac import CabacEncoder
from bitstream.parameters import BinWriter, ParameterState, code_values

COUNT, PICTURES = 16, 250
MARGIN = 1.06


@functools.cache
def entropy_bits(scale):
    """Entropy of a Laplacian of this scale, rounded to integers."""
    k = np.arange(-4000, 4001)

    def cumulative(x):
        return np.where(x < 0, 0.5 * np.exp(np.minimum(x, 0) / scale), 1 - 0.5 * np.exp(-np.maximum(x, 0) / scale))

    p = cumulative(k + 0.5) - cumulative(k - 0.5)
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def coded_to_entropy(scales):
    """Coded bits over entropy, for residuals of the scales that ``scales(time)`` gives for the values of a picture."""
    rng = np.random.default_rng(0)
    layout = Layout((Group(COUNT, 1, 24, False),))
    state = ParameterState(layout)
    engine = CabacEncoder(state.contexts)
    values = [0] * COUNT
    code_values(BinWriter(engine), state, values, key=True)
    engine.finish()
    entropy = 0.0
    for time in range(PICTURES):
        scale = np.broadcast_to(scales(time), COUNT)
        entropy += sum(entropy_bits(float(b)) for b in scale)
        residuals = np.rint(rng.laplace(0, scale)).astype(int).tolist()
        # The source is built on the coder's own prediction: its residuals are then exactly Laplacian.
        picture, moved = [], [0]
        for index, residual in enumerate(residuals):
            picture.append(state.predictor.within_first(values, moved, index) + residual)
            moved[0] += picture[index] - values[index]
        values = picture
        code_values(BinWriter(engine), state, values, key=False)
    return len(engine.finish()) * 8 / entropy


def check(ratio):
    assert ratio < MARGIN, f"{100 * (ratio - 1):.1f} % above the entropy, at most {100 * (MARGIN - 1):.0f} % expected"
    assert ratio > 0.94, f"{100 * (1 - ratio):.1f} % below the entropy: the source is not what it should be"


@pytest.mark.parametrize("scale", [0.5, 1, 2, 4, 8, 16])
def test_one_scale_is_coded_near_its_entropy(scale):
    check(coded_to_entropy(lambda time: scale))


def test_a_scale_of_its_own_for_each_value_is_coded_near_the_entropy():
    scales = np.round(np.geomspace(0.2, 5, COUNT), 2)
    check(coded_to_entropy(lambda time: scales))


def test_a_slowly_varying_scale_is_coded_near_the_entropy():
    check(coded_to_entropy(lambda time: round(float(np.exp(np.sin(time / 25) * 1.2)), 2)))


def test_pictures_that_stand_still_cost_a_few_hundredths_of_a_bit_each():
    state = ParameterState(Layout((Group(COUNT, 1, 24, False),)))
    engine = CabacEncoder(state.contexts)
    values = list(range(COUNT))
    code_values(BinWriter(engine), state, values, key=True)
    engine.finish()
    for _ in range(1000):
        code_values(BinWriter(engine), state, values, key=False)
    assert len(engine.finish()) <= 10

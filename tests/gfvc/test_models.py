"""The shipped models: their interface, what they cost, and what no motion does."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from gfvc.models.complexity import measure
from gfvc.models.families import FAMILIES
from gfvc.models.registry import DEFAULT_FAMILY, DEFAULTS, cards, load_model
from gfvc.quality import to_rgb8, to_tensor

from .media import psnr, scaled

CPU = torch.device("cpu")
families = pytest.mark.parametrize("family", sorted(FAMILIES))


@pytest.fixture(scope="module")
def models():
    return {family: load_model(family).model for family in FAMILIES}


@torch.inference_mode()
def repeat(model, picture):
    """The picture generated from itself."""
    shown = to_tensor(picture, CPU)
    parameters = model.analyse(shown)
    return to_rgb8(model.generate(model.prepare(shown, parameters), parameters), *picture.shape[:2])


@families
@pytest.mark.parametrize(("width", "height"), [(64, 64), (67, 101), (256, 256), (256, 128)])
@torch.inference_mode()
def test_parameters_and_pictures_have_the_shapes_the_family_states(models, demo, family, width, height):
    model = models[family]
    picture = to_tensor(scaled(demo[0], width, height), CPU)
    parameters = model.analyse(picture)
    assert parameters.shape == (1, sum(group.count for group in model.groups))
    assert torch.isfinite(parameters).all()
    generated = model.generate(model.prepare(picture, parameters), parameters)
    assert generated.shape == picture.shape
    assert 0 <= generated.min() <= generated.max() <= 1


@pytest.mark.parametrize(("width", "height"), [(64, 64), (67, 101), (256, 256)])
def test_no_motion_shows_the_key_picture(models, demo, width, height):
    picture = scaled(demo[0], width, height)
    assert psnr(repeat(models[DEFAULT_FAMILY], picture), picture) > 24


@families
@torch.inference_mode()
def test_generating_changes_nothing_in_the_state(models, demo, family):
    """A picture does not depend on those generated before it."""
    model = models[family]
    first, other = (to_tensor(scaled(picture, 64, 64), CPU) for picture in (demo[0], demo[30]))
    state = model.prepare(first, model.analyse(first))
    alone = model.generate(state, model.analyse(other))
    model.generate(state, model.analyse(first))
    assert torch.equal(model.generate(state, model.analyse(other)), alone)


@families
@torch.inference_mode()
def test_parameters_off_their_usual_range_give_a_finite_picture(models, demo, family):
    """A damaged or hostile stream can ask for anything that fits in the syntax."""
    model = models[family]
    picture = to_tensor(scaled(demo[0], 64, 64), CPU)
    usual = model.analyse(picture)
    for value in (-32000.0, 32000.0):
        far = torch.full_like(usual, value)
        for key, driving in ((usual, far), (far, usual), (far, far)):
            assert torch.isfinite(model.generate(model.prepare(picture, key), driving)).all()


@functools.cache
def untrained_cost(family, size):
    return measure(FAMILIES[family](), size)


@families
def test_costs_are_within_the_budget(family):
    cost = untrained_cost(family, 256)
    assert 0.05 < cost["generate_gmac"] <= 0.7
    assert 0.01 < cost["analyse_gmac"] <= 0.45
    # Once per key picture, with its restoration and the person's mask.
    assert 0.05 < cost["prepare_gmac"] <= 4.5
    assert 500_000 < cost["weights"] <= 15_000_000


@families
def test_only_the_restoration_grows_with_the_picture(family):
    """All other networks see squares of one size."""
    small, large = (untrained_cost(family, size) for size in (256, 512))
    assert large["analyse_gmac"] == pytest.approx(small["analyse_gmac"], rel=0.02)
    assert 2.5 * small["prepare_gmac"] < large["prepare_gmac"] < 4 * small["prepare_gmac"]
    assert large["generate_gmac"] == pytest.approx(small["generate_gmac"], rel=0.02)


def test_cards_state_what_the_weights_are():
    shipped = {card["name"]: card for card in cards()}
    for family, name in DEFAULTS.items():
        card = shipped[name]
        loaded = load_model(family)
        assert (card["family"], card["sha256"]) == (family, loaded.sha256)
        assert loaded.name == name
        assert card["weights"] == sum(tensor.numel() for tensor in loaded.model.parameters())
        cost = measure(loaded.model)
        # Zeros that fill up a convolution count too, and may change.
        for part in ("analyse", "prepare", "generate"):
            assert card["gmac_256"][part] == pytest.approx(cost[f"{part}_gmac"], abs=0.02)
        assert card["licence"]


def test_loaded_weights_do_not_train(models):
    for model in models.values():
        assert not model.training
        assert not any(parameter.requires_grad for parameter in model.parameters())


def test_motion_moves_the_picture(models, demo):
    """Key points shifted by a fifth of the picture cannot show the picture they came from."""
    picture = scaled(demo[0], 128, 128)
    model = models["keypoints2d"]
    with torch.inference_mode():
        shown = to_tensor(picture, CPU)
        parameters = model.analyse(shown)
        moved = to_rgb8(model.generate(model.prepare(shown, parameters), parameters + 0.4), 128, 128)
    assert psnr(moved, picture) < psnr(repeat(model, picture), picture) - 3
    assert np.ptp(moved) > 50

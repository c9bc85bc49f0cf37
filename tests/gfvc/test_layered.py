"""The layered synthesis of generation 2: what lies still is carried over exactly."""

from __future__ import annotations

import pytest
import torch

from gfvc import GfvcError
from gfvc.models.expression import EXPRESSION_MAPS, expression_maps
from gfvc.models.families import FAMILIES
from gfvc.models.layered import LEAST_SHARE, LayeredSynthesis, hard_shares
from gfvc.models.points import POINT_COUNT, index_of
from gfvc.models.registry import load_model, save_weights, weights_path
from gfvc.models.restore import Restoration


@pytest.fixture
def synthesis():
    torch.manual_seed(3)
    return LayeredSynthesis().eval()


def random_points(count=1):
    return torch.rand(count, POINT_COUNT, 2, generator=torch.Generator().manual_seed(1)) - 0.5


def test_small_shares_are_none_and_the_rest_sums_to_one():
    shares = torch.softmax(6 * torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    hard = hard_shares(shares)
    assert torch.allclose(hard.sum(1), torch.ones(2, 8, 8))
    assert (hard[shares < LEAST_SHARE] == 0).all()
    assert (hard[shares < LEAST_SHARE]).numel() > 0


def test_gradients_pass_shares_that_are_none():
    logits = torch.tensor([[[[9.0]], [[0.0]], [[0.0]]]], requires_grad=True)
    hard = hard_shares(torch.softmax(logits, dim=1))
    assert hard[0, :, 0, 0].tolist() == [1, 0, 0]
    hard[:, 1].sum().backward()
    assert logits.grad[0, 1, 0, 0] > 0


def test_pixels_at_rest_are_those_of_the_restored_key_picture(synthesis):
    picture, points = torch.rand(1, 3, 64, 64), random_points()
    # Rest wins everywhere, however the points move.
    with torch.no_grad():
        synthesis.to_picture.weight.zero_()
        synthesis.to_picture.bias.copy_(torch.tensor([-20.0] * 16 + [20.0] * 4))
        state = synthesis.prepare(picture, points)
        generated = synthesis.generate(state, points + 0.1)
    assert torch.equal(generated, state.picture)


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (256, 256)])
def test_generated_picture_has_the_size_of_the_key_picture(synthesis, size):
    with torch.no_grad():
        state = synthesis.prepare(torch.rand(1, 3, *size), random_points())
        layers = synthesis.layers(state, random_points())
    assert layers.picture.shape == (1, 3, *size) == layers.new.shape == layers.carried.shape
    assert torch.allclose(layers.shares.sum(1), torch.ones(1, *size), atol=1e-5)


def test_restoration_starts_as_the_identity():
    picture = torch.rand(1, 3, 32, 48)
    assert torch.equal(Restoration()(picture), picture)


def test_expression_maps_show_openings_where_the_driving_mouth_and_eyes_are():
    closed = torch.zeros(1, POINT_COUNT, 2)
    (lower_lip,), (lower_lid,) = index_of("lower_lip"), index_of("right_lid_lower")
    opened = closed.clone()
    opened[0, lower_lip, 1], opened[0, lower_lid, 1] = 0.2, 0.1
    maps = expression_maps(closed, opened, 64)
    assert maps.shape == (1, EXPRESSION_MAPS, 64, 64)
    peaks = maps[0].amax((1, 2))
    # Mouth: opening in key and driving picture, width in both; eyes: opening in both, gaze sideways and up.
    assert peaks[0] == 0
    assert peaks[1] == pytest.approx(2.0, abs=0.05)
    assert peaks[4] == 0
    assert peaks[5] == pytest.approx(1.0, abs=0.1)


def test_weights_of_the_first_generation_still_load(tmp_path):
    model = load_model("keypoints2d", weights_path("keypoints2d-1")).model
    assert model.generation == 1
    path = tmp_path / "again.safetensors"
    save_weights(model.state_dict(), "keypoints2d", path, 1)
    assert load_model("keypoints2d", path).model.generation == 1


def test_same_weights_are_the_same_bytes(tmp_path):
    model = FAMILIES["keypoints2d"]()
    hashes = {
        save_weights(model.state_dict(), "keypoints2d", tmp_path / f"{number}.safetensors") for number in range(8)
    }
    assert len(hashes) == 1


def test_weights_of_a_future_generation_are_refused(tmp_path):
    path = tmp_path / "new.safetensors"
    save_weights(FAMILIES["keypoints2d"]().state_dict(), "keypoints2d", path, 99)
    with pytest.raises(GfvcError, match="generation 99"):
        load_model("keypoints2d", path)

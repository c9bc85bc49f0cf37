"""Looks of mouth and eyes: what the painters are told, from the original to the painted square."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gfvc.models.blocks import picture_grid, warp
from gfvc.models.details import Details
from gfvc.models.families import FAMILIES
from gfvc.models.groups import EYES_PART, LOOK_COUNT, MOUTH_PART
from gfvc.models.local import REGIONS, SOURCE_SIZE, region_frame
from gfvc.models.looks import Looks
from gfvc.models.point_map import PointMap
from gfvc.models.points import POINT_COUNT
from gfvc.registration import Registration

from .test_details import picture, points  # noqa: F401


@pytest.fixture(scope="module")
def looks() -> Looks:
    torch.manual_seed(3)
    return Looks().eval()


@torch.no_grad()
def changed_by(looks, points, place):  # noqa: F811
    """What a change of the original in a region's square changes in the looks: [10] of bool."""
    generator = torch.Generator().manual_seed(4)
    before = torch.rand(1, 3, SOURCE_SIZE, SOURCE_SIZE, generator=generator)
    grid = picture_grid(SOURCE_SIZE, SOURCE_SIZE, before)
    placed = region_frame(points, REGIONS[place]).to_square(grid.view(1, -1, 2)).view(1, SOURCE_SIZE, SOURCE_SIZE, 2)
    inside = (placed.abs().amax(-1) < 0.3).float()[:, None]
    after = before * (1 - inside) + inside * torch.rand(before.shape, generator=generator)
    return (looks(before, points) != looks(after, points))[0]


def test_a_mouth_changes_the_mouth_s_values_and_either_eye_those_of_the_pair(looks, points):  # noqa: F811
    mouth, right, left = (changed_by(looks, points, place) for place in range(3))
    assert mouth[MOUTH_PART].all()
    assert not mouth[EYES_PART].any()
    for eye in (right, left):
        assert eye[EYES_PART].all()
        assert not eye[MOUTH_PART].any()


@torch.no_grad()
def test_looks_are_those_of_the_squares_whatever_the_light(looks, picture, points):  # noqa: F811
    assert torch.allclose(looks(0.2 + 0.6 * picture, points), looks(picture, points), rtol=0.25)


@torch.no_grad()
def test_what_is_told_of_one_region_is_painted_there_alone(picture, points):  # noqa: F811
    torch.manual_seed(5)
    details = Details(told=True).eval()
    for painter in (details.mouth, details.eye):
        torch.nn.init.normal_(painter.out.weight, std=0.2)
    seen = details.see(picture, points)
    silent = details(picture, seen, points, torch.zeros(1, LOOK_COUNT))
    place = picture_grid(*picture.shape[-2:], picture).view(1, -1, 2)
    for part, regions in ((MOUTH_PART, REGIONS[:1]), (EYES_PART, REGIONS[1:])):
        told = torch.zeros(1, LOOK_COUNT)
        told[:, part] = 2.0
        changed = (details(picture, seen, points, told) != silent).any(1).view(-1)
        inside = torch.zeros_like(changed)
        for region in regions:
            inside |= region_frame(points, region).to_square(place)[0].abs().amax(-1) < 1
        assert changed.any()
        assert not changed[~inside].any()


@torch.no_grad()
def test_looks_move_no_point():
    torch.manual_seed(6)
    model = FAMILIES["compact"]()
    parameters = torch.randn(2, sum(group.count for group in model.groups))
    other = parameters.clone()
    other[:, -LOOK_COUNT:] += 1
    assert torch.equal(model.points(parameters), model.points(other))
    assert torch.equal(model.told(other)[0], other[:, -LOOK_COUNT:])


def test_registration_leaves_looks_as_they_were_found(picture):  # noqa: F811
    shown = (picture[0].permute(1, 2, 0) * 255).byte().numpy()
    source = np.random.default_rng(7).uniform(-0.4, 0.4, 2 * POINT_COUNT).astype(np.float32)
    found = np.concatenate((source + 0.01, np.arange(LOOK_COUNT))).astype(np.float32)
    key = np.concatenate((source, np.zeros(LOOK_COUNT))).astype(np.float32)
    with_looks, without = (
        Registration(shown, np.ones((128, 128), np.float32), start, PointMap()) for start in (key, source)
    )
    fit, plain = with_looks.fit(shown, found, key), without.fit(shown, found[: len(source)], source)
    assert np.array_equal(fit.parameters[len(source) :], found[len(source) :])
    assert np.array_equal(fit.parameters[: len(source)], plain.parameters)
    assert np.array_equal(fit.metric[: len(source), : len(source)], plain.metric)
    looks = fit.metric[len(source) :, len(source) :]
    assert (np.diag(looks) > 0).all()
    assert np.count_nonzero(fit.metric[len(source) :, : len(source)]) == 0


@torch.no_grad()
def test_squares_are_disturbed_by_little():
    from gfvc.training.paint import disturbed

    torch.manual_seed(8)
    smooth = torch.nn.functional.interpolate(torch.rand(8, 3, 5, 5), 64, mode="bicubic", align_corners=False)
    found = disturbed(smooth)
    assert 1e-3 < (found - smooth).abs().mean() < 0.1
    still = warp(smooth, picture_grid(64, 64, smooth).expand(8, -1, -1, -1))
    assert torch.allclose(still, smooth, atol=1e-4)


@torch.no_grad()
def test_a_key_picture_at_rest_is_carried_over_as_it_is_and_a_moved_one_keeps_its_detail():
    generator = torch.Generator().manual_seed(9)
    # Detail of several sizes, as in pictures.
    layers = [torch.rand(1, 3, 64 // n, 96 // n, generator=generator) for n in (1, 2, 4)]
    shown = (
        sum(
            n * torch.nn.functional.interpolate(x, (64, 96), mode="bicubic")
            for n, x in zip((1, 2, 4), layers, strict=True)
        )
        / 7
    )
    synthesis = FAMILIES["compact"]().eval().synthesis
    state = synthesis.prepare_restored(shown, torch.rand(1, POINT_COUNT, 2, generator=generator) - 0.5)
    assert state.fine.shape == (1, 3, 128, 192)
    grid = picture_grid(64, 96, shown)[None]
    assert torch.allclose(synthesis.carried(state, grid), shown, atol=1e-4)
    one = grid + torch.tensor([2 / 96, 0.0])
    assert torch.allclose(synthesis.carried(state, one)[..., :-1], shown[..., 1:], atol=1e-4)

    def detail(pictures: list[torch.Tensor]) -> float:
        return float(sum(found.diff(dim=-1).square().mean() for found in pictures))

    places = [grid + torch.rand(2, generator=generator) * torch.tensor([2 / 96, 2 / 64]) for _ in range(20)]
    ours, bicubic, bilinear = (
        detail([sample(place) for place in places])
        for sample in (
            lambda place: synthesis.carried(state, place),
            lambda place: warp(shown, place, "bicubic"),
            lambda place: warp(shown, place),
        )
    )
    assert bilinear < 0.8 * bicubic
    assert 0.9 * bicubic < ours < 1.1 * bicubic

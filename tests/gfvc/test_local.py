"""The refinement of mouth and eyes: where it looks, what it may change."""

from __future__ import annotations

import pytest
import torch

from gfvc.models.local import EYE_REGIONS, MOUTH_REGION, LocalRefinement, region_frame
from gfvc.models.points import EYES_SLICE, FACE_COUNT, MIRROR, MOUTH_SLICE, POINT_COUNT, index_of
from gfvc.models.points import FACE as FACE_POINTS

REGIONS = (MOUTH_REGION, *EYE_REGIONS)
# A plain face: x and y of each point of the face.
FACE = {
    "nose_tip": (0.0, 0.1),
    "forehead": (0.0, -0.6),
    "chin": (0.0, 0.6),
    "right_side": (-0.5, 0.0),
    "left_side": (0.5, 0.0),
    "mouth_right": (-0.15, 0.3),
    "mouth_left": (0.15, 0.3),
    "upper_lip": (0.0, 0.27),
    "lower_lip": (0.0, 0.33),
    "right_lid_upper": (-0.2, -0.12),
    "right_lid_lower": (-0.2, -0.08),
    "left_lid_upper": (0.2, -0.12),
    "left_lid_lower": (0.2, -0.08),
    "right_iris": (-0.21, -0.1),
    "left_iris": (0.21, -0.1),
    "right_brow": (-0.22, -0.24),
    "left_brow": (0.22, -0.24),
}


@pytest.fixture
def face():
    """Points [1, K, 2] of the plain face, the implicit ones in a corner."""
    explicit = torch.tensor([FACE[point.name] for point in FACE_POINTS])
    return torch.cat((explicit, torch.full((POINT_COUNT - FACE_COUNT, 2), 0.9)))[None]


@pytest.fixture
def network():
    torch.manual_seed(1)
    refinement = LocalRefinement().eval().requires_grad_(False)
    for parameter in refinement.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.2)
    return refinement


@pytest.mark.parametrize("region", REGIONS)
def test_square_and_picture_coordinates_are_converse(face, region):
    frame = region_frame(face, region)
    points = torch.rand(1, 7, 2) * 2 - 1
    torch.testing.assert_close(frame.to_square(frame.to_picture(points)), points, atol=1e-5, rtol=0)


@pytest.mark.parametrize("region", REGIONS)
def test_the_square_holds_its_points_with_room_to_move(face, region):
    inside = region_frame(face, region).to_square(face[:, list(region.points)])
    assert inside.abs().max() < 0.75
    assert inside.mean(1).abs().max() < 1e-6


def test_squares_are_upright_and_of_one_size_in_a_turned_and_scaled_face(face):
    angle, scale = torch.tensor(0.7), 0.6
    turn = scale * torch.stack((torch.stack((angle.cos(), -angle.sin())), torch.stack((angle.sin(), angle.cos()))))
    turned = face @ turn.T + 0.1
    for region in REGIONS:
        chosen = list(region.points)
        there = region_frame(turned, region).to_square(turned[:, chosen])
        torch.testing.assert_close(there, region_frame(face, region).to_square(face[:, chosen]), atol=1e-5, rtol=0)


def test_both_eyes_look_alike_in_their_squares(face):
    right, left = (region_frame(face, region).to_square(face[:, list(region.points)]) for region in EYE_REGIONS)
    torch.testing.assert_close(right, left, atol=1e-6, rtol=0)
    upper, lower = EYE_REGIONS[0].gap
    assert right[0, upper, 1] < right[0, lower, 1]


def test_only_mouth_and_eyes_change(face, network):
    refined = network(torch.rand(1, 3, 256, 256), face)
    changed = (refined != face).any(-1)[0]
    assert changed[MOUTH_SLICE].all()
    assert changed[EYES_SLICE].all()
    assert not changed[: MOUTH_SLICE.start].any()
    assert not changed[FACE_COUNT:].any()


def test_a_mirrored_picture_has_mirrored_eyes(face, network):
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 32, 32), size=(256, 256), mode="bilinear")
    flip = torch.tensor([-1.0, 1.0])
    mirrored_face = face.clone()
    mirrored_face[:, :FACE_COUNT] = face[:, list(MIRROR)[:FACE_COUNT]] * flip
    plain, mirrored = network(picture, face), network(picture.flip(3), mirrored_face)
    eyes = slice(EYES_SLICE.start, EYES_SLICE.stop)
    torch.testing.assert_close((mirrored[:, list(MIRROR)] * flip)[:, eyes], plain[:, eyes], atol=1e-4, rtol=0)


@pytest.mark.parametrize("side", [64, 128, 300])
def test_pictures_of_any_size_are_looked_at(face, network, side):
    assert torch.isfinite(network(torch.rand(1, 3, side, side + 16), face)).all()


def test_points_that_coincide_or_lie_outside_stay_finite(network):
    picture = torch.rand(2, 3, 256, 256)
    points = torch.stack((torch.zeros(POINT_COUNT, 2), torch.full((POINT_COUNT, 2), 3.0)))
    assert torch.isfinite(network(picture, points)).all()


def test_unknown_names_have_no_index():
    with pytest.raises(KeyError):
        index_of("ear")

"""The synthesis that knows the person from what is behind: motion of the key points, fill, mask, and rest."""

from __future__ import annotations

import pytest
import torch

from gfvc.models.blocks import picture_grid
from gfvc.models.field import motion_field, solve
from gfvc.models.fill import fill, spread
from gfvc.models.person import PERSON_SIZE, PersonNetwork
from gfvc.models.points import FACE_COUNT, MOUTH_SLICE, POINT_COUNT, index_of
from gfvc.models.portrait import PortraitSynthesis


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(4)


@pytest.fixture
def points(generator):
    return torch.rand(2, POINT_COUNT, 2, generator=generator) * 1.2 - 0.6


@pytest.fixture
def synthesis():
    torch.manual_seed(3)
    return PortraitSynthesis().eval().requires_grad_(False)


def test_elimination_solves_as_the_library_does(generator):
    half = torch.rand(3, POINT_COUNT, POINT_COUNT, generator=generator)
    matrix = half @ half.mT + 0.1 * torch.eye(POINT_COUNT)
    right = torch.rand(3, POINT_COUNT, 2, generator=generator)
    assert torch.allclose(solve(matrix, right), torch.linalg.solve(matrix, right), atol=1e-3)


def test_points_that_rest_move_nothing(points):
    positions = picture_grid(16, 16, points).view(-1, 2)
    assert torch.allclose(motion_field(points, points, positions)[0], positions.expand(2, -1, -1), atol=1e-6)


@pytest.fixture
def person():
    """Key points of a face of height 0.6 around the middle, shoulders at 0.8 below: [1, K, 2]."""
    generator = torch.Generator().manual_seed(7)
    points = (torch.rand(1, POINT_COUNT, 2, generator=generator) - 0.5) * 0.5
    for name, place in {
        "forehead": (0.0, -0.3),
        "chin": (0.0, 0.3),
        "crown": (0.0, -0.5),
        "right_shoulder": (-0.6, 0.8),
        "left_shoulder": (0.6, 0.8),
    }.items():
        points[0, index_of(name)[0]] = torch.tensor(place)
    return points


def test_field_follows_the_points_of_the_face(person, generator):
    driving = person + 0.1 * torch.rand(1, POINT_COUNT, 2, generator=generator)
    at_points, _ = motion_field(person, driving, driving[0])
    before, after = (driving - person).norm(dim=-1), (at_points - person).norm(dim=-1)
    assert after[:, :FACE_COUNT].mean() < 0.3 * before[:, :FACE_COUNT].mean()
    # Mouth and eyes are taken at their word.
    assert after[:, MOUTH_SLICE].mean() < 0.15 * before[:, MOUTH_SLICE].mean()


def test_a_shift_of_all_points_shifts_head_and_body(person):
    shift = torch.tensor([0.2, -0.1])
    positions = torch.tensor([[0.0, 0.0], [0.0, 0.9]])
    moved, head = motion_field(person - shift, person, positions)
    moved = moved[0]
    assert torch.allclose(moved, positions - shift, atol=0.03)
    assert head.flatten().tolist() == [1, 0]


def test_a_body_rests_below_a_moving_head(person):
    driving = person.clone()
    driving[:, :FACE_COUNT] += torch.tensor([0.15, 0.0])
    # The shoulders tremble by less than what counts.
    driving[:, index_of("left_shoulder")[0]] += 0.01
    positions = torch.tensor([[-0.3, 0.8], [0.0, 0.95], [0.5, 0.9]])
    assert torch.equal(motion_field(person, driving, positions)[0][0], positions)
    assert motion_field(person, driving, torch.zeros(1, 2))[0].norm() > 0.1


def test_the_body_moves_with_the_shoulders(person):
    driving = person.clone()
    left = index_of("left_shoulder")[0]
    driving[0, left] += torch.tensor([0.0, 0.2])
    right_side, left_side = motion_field(person, driving, torch.tensor([[-0.6, 0.9], [0.6, 0.9]]))[0][0]
    assert torch.allclose(right_side, torch.tensor([-0.6, 0.9]), atol=0.01)
    assert left_side[1] == pytest.approx(0.9 - 0.2, abs=0.01)


def test_fill_keeps_what_is_known_and_does_not_look_at_what_is_not(generator):
    pictures = torch.rand(1, 3, 40, 56, generator=generator)
    known = torch.ones(1, 1, 40, 56)
    known[..., 10:30, 20:40] = 0
    other = torch.where(known > 0, pictures, torch.rand(1, 3, 40, 56, generator=generator))
    filled = fill(pictures, known)
    assert torch.equal(filled, fill(other, known))
    assert torch.equal(filled[..., :10, :], pictures[..., :10, :])
    assert 0 <= filled.min() <= filled.max() <= 1


@pytest.mark.parametrize("size", [(64, 64), (50, 37)])
def test_a_flat_background_is_filled_flat(size):
    known = torch.ones(1, 1, *size)
    known[..., 5:45, 8:30] = 0
    flat = torch.full((1, 3, *size), 0.3)
    assert torch.allclose(fill(flat * known, known), flat, atol=1e-5)


def test_fill_of_nothing_known_is_finite():
    assert torch.isfinite(fill(torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32))).all()


def test_spread_mask_covers_its_surroundings_and_soft_edges():
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 8, 8] = 0.3
    wide = spread(mask)[0, 0]
    assert wide.sum() == 25 == wide[6:11, 6:11].sum()


def test_what_is_behind_is_the_picture_itself_where_no_person_is(generator):
    network = PersonNetwork().eval().requires_grad_(False)
    network.find.out.bias.fill_(-9.0)
    picture = torch.rand(1, 3, 96, 64, generator=generator)
    person = network(picture)
    assert person.mask.shape == (1, 1, PERSON_SIZE, PERSON_SIZE)
    assert torch.allclose(person.behind, picture)


class Found(torch.nn.Module):
    """A network that has found the person in the middle square, but for its outermost sample."""

    def forward(self, small):
        mask = torch.full((len(small), 1, PERSON_SIZE, PERSON_SIZE), -9.0)
        mask[..., 41:87, 41:87] = 9.0
        return mask


def test_a_fill_that_fades_leaves_no_contour_of_the_person():
    picture = torch.full((1, 3, PERSON_SIZE, PERSON_SIZE), 0.7)
    picture[..., 39:89, 39:89] = 0.1
    left = []
    for fade in (0, 2):
        network = PersonNetwork(fade).eval().requires_grad_(False)
        network.find = Found()
        left.append(float((network(picture).behind - 0.7).abs().max()))
    assert left[0] > 0.3
    assert left[1] < 0.6 * left[0]


def test_pixels_behind_the_person_do_not_change(synthesis, points, generator):
    """The person is nowhere, and the network has not learned anything: whatever the points do, the picture rests."""
    synthesis.person.find.out.bias.fill_(-9.0)
    state = synthesis.prepare(torch.rand(2, 3, 64, 64, generator=generator), points)
    assert torch.equal(synthesis.generate(state, points + 0.1), state.behind)


def test_the_person_moves_with_the_points_before_anything_is_learned(synthesis, points, generator):
    synthesis.person.find.out.bias.fill_(9.0)
    synthesis.to_picture.weight.zero_()
    small = torch.rand(2, 3, 8, 8, generator=generator)
    picture = torch.nn.functional.interpolate(small, size=(128, 128), mode="bilinear")
    state = synthesis.prepare(picture, points)
    shift = 2 * 8 / 128
    generated = synthesis.generate(state, points + torch.tensor([shift, 0.0]))
    inner = (slice(None), slice(None), slice(32, 96))
    assert (generated[(*inner, slice(40, 96))] - picture[(*inner, slice(32, 88))]).abs().mean() < 0.02
    assert (generated - picture).abs().mean() > 0.03


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (256, 256), (512, 384)])
def test_generated_picture_has_the_size_of_the_key_picture(synthesis, points, size):
    state = synthesis.prepare(torch.rand(1, 3, *size), points[:1])
    layers = synthesis.layers(state, points[1:])
    assert layers.picture.shape == (1, 3, *size) == layers.new.shape == layers.carried.shape
    assert torch.allclose(layers.shares.sum(1), torch.ones(1, *size), atol=1e-5)

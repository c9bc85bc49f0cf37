"""Losses, critic and synthetic motion: each does what its text says."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from gfvc.models.points import POINT_COUNT, index_of
from gfvc.training.adversary import PatchCritic, adversarial_losses
from gfvc.training.losses import behind_loss, mask_loss, need, shares_loss, texture_loss
from gfvc.training.steps import face_squares
from gfvc.training.still_motion import apply_field, move_points, random_field


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


def test_blur_costs_texture_and_shifts_do_not(generator):
    picture = torch.rand(1, 3, 64, 64, generator=generator)
    blurred = F.avg_pool2d(picture, 3, 1, 1)
    assert texture_loss(picture, picture) == 0
    assert texture_loss(blurred, picture) > 5 * texture_loss(picture.roll(4, dims=3), picture)


def half_masks() -> torch.Tensor:
    """The person on the left half; the lowest row is not known."""
    masks = torch.zeros(1, 1, 32, 32)
    masks[..., :16] = 1
    masks[..., 31, :] = torch.nan
    return masks


def test_shares_follow_the_mask_where_it_is_known():
    right = torch.zeros(1, 3, 32, 32)
    right[:, 1, :, :16], right[:, 2, :, 16:] = 1, 1
    wrong = right[:, [0, 2, 1]]
    assert shares_loss(right, half_masks()) < 1e-3 < 5 < shares_loss(wrong, half_masks())
    elsewhere = right.clone()
    elsewhere[..., 31, :] = wrong[..., 31, :]
    assert shares_loss(elsewhere, half_masks()) == shares_loss(right, half_masks())
    assert shares_loss(wrong, torch.full((1, 1, 32, 32), torch.nan)) == 0


def test_mask_loss_is_that_of_the_known_samples():
    masks = half_masks()
    right = (masks.nan_to_num(0.5) - 0.5) * 40
    assert mask_loss(right, masks) < 1e-3
    assert mask_loss(torch.zeros_like(right), masks).item() == pytest.approx(0.6931, abs=1e-3)
    assert mask_loss(right, torch.full_like(masks, torch.nan)) == 0


def test_what_is_behind_is_judged_where_the_person_has_gone():
    key_mask, target_mask = half_masks(), torch.zeros(1, 1, 32, 32)
    target_mask[..., :8] = 1
    targets, behind = torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
    # Behind the person in both, and where the person never was: not seen, or not drawn.
    behind[..., :8], behind[..., 16:] = 1, 1
    assert behind_loss(behind, key_mask, targets, target_mask) == 0
    behind[..., 8:16] = 0.5
    assert behind_loss(behind, key_mask, targets, target_mask).item() == pytest.approx(0.5)


def test_generated_content_is_needed_where_the_warp_is_wrong():
    targets = torch.zeros(1, 3, 32, 32)
    carried = targets.clone().requires_grad_()
    carried.data[..., 16:] = 0.5
    needed = need(carried, targets)
    assert needed[..., :10].unique().tolist() == pytest.approx([0.1])
    assert needed[..., 20:].unique().tolist() == [1]
    assert not needed.requires_grad


def test_critic_and_generator_get_their_own_gradients(generator):
    critic = PatchCritic(8)
    original = torch.rand(2, 3, 32, 32, generator=generator)
    for name, reaches_pictures, reaches_critic in (
        ("adversarial", True, False),
        ("features", True, False),
        ("critic", False, True),
    ):
        generated = torch.rand(2, 3, 32, 32, generator=generator).requires_grad_()
        critic.zero_grad()
        adversarial_losses(critic, generated, original)[name].backward()
        assert (generated.grad is not None and bool(generated.grad.any())) == reaches_pictures, name
        touched = any(p.grad is not None and bool(p.grad.any()) for p in critic.parameters())
        assert touched == reaches_critic, name


def test_critic_learns_to_tell_flat_from_textured(generator):
    torch.manual_seed(0)
    critic = PatchCritic(8)
    optimiser = torch.optim.Adam(critic.parameters(), 1e-2)
    flat = torch.full((4, 3, 32, 32), 0.5)
    losses = []
    for _ in range(30):
        loss = adversarial_losses(critic, flat, torch.rand(4, 3, 32, 32, generator=generator))["critic"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_squares_are_cut_around_the_faces():
    pictures = torch.zeros(2, 1, 64, 64)
    pictures[0, 0, 40, 44] = 1
    marks = torch.full((2, 3, 2), float("nan"))
    marks[0] = torch.tensor([2 * 44.5 / 64 - 1, 2 * 40.5 / 64 - 1])
    squares = face_squares(pictures, marks)
    assert squares.shape == (2, 1, 32, 32)
    assert squares[0, 0, 12:, 12:].sum() == 1


def test_points_move_with_the_picture(generator):
    size = 128
    marks = (torch.rand(4, POINT_COUNT, 2, generator=generator) - 0.5) * 0.8
    field = random_field(marks, size, generator)
    # A bright dot at one point of each picture, and its centre of mass after the warp.
    axis = (torch.arange(size) * 2 + 1) / size - 1
    grid_y, grid_x = torch.meshgrid(axis, axis, indexing="ij")
    (nose,) = index_of("nose_tip")
    dots = torch.exp(
        -((grid_x - marks[:, nose, 0, None, None]) ** 2 + (grid_y - marks[:, nose, 1, None, None]) ** 2) / 2e-3
    )
    warped = apply_field(dots[:, None].expand(-1, 3, -1, -1), field)[:, 0]
    mass = warped.sum((1, 2))
    found = torch.stack(((warped * grid_x).sum((1, 2)) / mass, (warped * grid_y).sum((1, 2)) / mass), dim=1)
    moved = move_points(marks, field)[:, nose]
    assert (found - moved).abs().max() < 0.02
    assert (moved - marks[:, nose]).abs().max() > 0.01


def test_lips_open_and_close_where_they_are_known(generator):
    marks = torch.zeros(16, POINT_COUNT, 2)
    upper, lower = index_of("upper_lip", "lower_lip")
    marks[:, upper, 1], marks[:, lower, 1] = -0.03, 0.03
    moved = move_points(marks, random_field(marks, 64, generator))
    gaps = (moved[:, lower, 1] - moved[:, upper, 1]) / 0.06
    assert gaps.min() < 0.85
    assert gaps.max() > 1.2
    unknown = torch.full_like(marks, float("nan"))
    assert torch.isfinite(random_field(unknown, 64, generator)).all()

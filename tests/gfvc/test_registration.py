"""The encoder's fit of parameters to the key picture, and the formulas it repeats without a network's library."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gfvc.registration as registration_module
from gfvc.models.blocks import picture_grid, warp
from gfvc.models.families import FAMILIES
from gfvc.models.field import motion_field
from gfvc.models.point_map import PointMap
from gfvc.models.points import FACE_COUNT, POINT_COUNT, POINTS, index_of
from gfvc.models.registry import build_model
from gfvc.models.store import find_weights
from gfvc.registration import Registration, field_basis

SIZE = 128


@pytest.fixture(scope="module")
def source() -> np.ndarray:
    """Key points of a face in the middle of the picture, above its shoulders: float32 [K, 2]."""
    points = (np.random.default_rng(1).random((POINT_COUNT, 2)) - 0.5) * 0.5
    for name, place in {
        "forehead": (0.0, -0.3),
        "chin": (0.0, 0.3),
        "crown": (0.0, -0.5),
        "right_hair": (-0.3, -0.1),
        "left_hair": (0.3, -0.1),
        "right_shoulder": (-0.6, 0.7),
        "left_shoulder": (0.6, 0.7),
    }.items():
        points[index_of(name)[0]] = place
    return points.astype(np.float32)


@pytest.fixture(scope="module")
def moved(source) -> np.ndarray:
    """The same, head turned and shifted by a twentieth of the picture, shoulders shifted by half of that."""
    turn = np.array([[0.99, -0.1], [0.1, 0.99]])
    points = source @ turn.T + (0.1, 0.05)
    shoulders = list(index_of("right_shoulder", "left_shoulder"))
    points[shoulders] = source[shoulders] + (0.06, 0.03)
    return points.astype(np.float32)


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    """Something with detail of all sizes: [1, 3, S, S], 0..1."""
    generator = torch.Generator().manual_seed(5)
    layers = [torch.rand(1, 1, size, size, generator=generator) for size in (5, 9, 17, 33)]
    sized = [torch.nn.functional.interpolate(layer, SIZE, mode="bicubic", align_corners=False) for layer in layers]
    return (sum(sized) / len(sized)).clamp(0, 1).expand(1, 3, -1, -1)


def as_bytes(picture: torch.Tensor) -> np.ndarray:
    return (picture[0].permute(1, 2, 0) * 255).round().byte().numpy()


def field(source: np.ndarray, driving: np.ndarray, size: int = SIZE) -> torch.Tensor:
    pair = (torch.from_numpy(points)[None] for points in (source, driving))
    found, _ = motion_field(*pair, picture_grid(size, size, torch.zeros(1)).view(-1, 2))
    return found.unflatten(1, (size, size))


def registration(picture: torch.Tensor, source: np.ndarray, rest: float = 4.0) -> Registration:
    return Registration(as_bytes(picture), np.ones((SIZE, SIZE), np.float32), source.reshape(-1), PointMap(), rest)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_points_and_their_derivative_are_those_of_the_model(family):
    weights = find_weights(family)
    model, mapped = build_model(weights), PointMap(weights)
    generator = torch.Generator().manual_seed(2)
    for _ in range(5):
        parameters = torch.randn(sum(group.count for group in model.groups), generator=generator)
        points, slope = mapped(parameters.numpy())
        assert points == pytest.approx(model.points(parameters[None])[0].numpy(), abs=1e-4)
        wanted = torch.autograd.functional.jacobian(lambda p: model.points(p[None]).flatten(), parameters)
        assert slope == pytest.approx(wanted[:, : mapped.count].numpy(), abs=1e-3)
        # Looks and modes, where there are any, move no point.
        assert not wanted[:, mapped.count :].any()


def test_basis_is_that_of_the_field(source, moved):
    positions = picture_grid(16, 16, torch.zeros(1)).view(-1, 2)
    wanted, shares = motion_field(torch.from_numpy(source)[None], torch.from_numpy(moved)[None], positions)
    basis, head = field_basis(source, moved, positions.numpy())
    assert positions.numpy() + basis @ (source - moved) == pytest.approx(wanted[0].numpy(), abs=1e-4)
    assert head == pytest.approx(shares[0, :, 0].numpy(), abs=1e-5)


def test_fit_finds_the_motion(picture, source, moved):
    """From points of the outline that are off by several samples, as those of an analysis are."""
    start = moved.copy()
    start[FACE_COUNT:] += np.random.default_rng(3).uniform(-0.05, 0.05, (POINT_COUNT - FACE_COUNT, 2))
    shown = warp(picture, field(source, moved))
    found = registration(picture, source).fit(as_bytes(shown), start.reshape(-1)).parameters.reshape(-1, 2)
    errors = [(field(source, points) - field(source, moved)).norm(dim=-1).mean() for points in (start, found)]
    assert errors[1] < 0.35 * errors[0]
    # A third of a sample.
    assert errors[1] < 0.33 * 2 / SIZE


def test_metric_tells_what_errors_cost(picture, source, moved):
    """Against the square error itself, of a picture moved a little too far."""
    shown = warp(picture, field(source, moved))
    fit = registration(picture, source).fit(as_bytes(shown), moved.reshape(-1))
    error = np.zeros((POINT_COUNT, 2), np.float32)
    error[:FACE_COUNT, 0] = 0.01
    other = warp(picture, field(source, moved + error))
    small, other = (torch.nn.functional.avg_pool2d(x[:, :1], 2) for x in (shown, other))
    actual = float((small - other).square().mean())
    flat = registration(torch.zeros_like(picture), source).fit(as_bytes(shown), moved.reshape(-1))
    error = error.reshape(-1)
    # Besides, it holds the points to the analysis. Central differences see half of the finest detail.
    assert 0.5 * actual < error @ (fit.metric - flat.metric) @ error < 1.2 * actual


def test_picture_at_rest_stays_at_rest(picture, source):
    found = registration(picture, source).fit(as_bytes(picture), source.reshape(-1)).parameters
    assert np.abs(found - source.reshape(-1)).max() < 1e-3


def off_by(parameters: np.ndarray, size: float) -> np.ndarray:
    """Parameters with an error of the analysis."""
    return parameters + np.random.default_rng(3).normal(0, size, len(parameters)).astype(np.float32)


def test_what_rests_is_held_to_what_is_shown(picture, source, moved):
    """The second picture is the first one: only the analysis has changed its mind."""
    shown = warp(picture, field(source, moved))
    changes = []
    for rest in (0.0, 4.0):
        group = registration(picture, source, rest)
        group.fit(as_bytes(shown), moved.reshape(-1))
        found = group.fit(as_bytes(shown), off_by(moved.reshape(-1), 0.02), moved.reshape(-1)).parameters
        changes.append(float((warp(picture, field(source, found.reshape(-1, 2))) - shown).square().mean()))
    assert changes[1] < 0.6 * changes[0]


def test_words_and_blinks_are_no_trembling(picture, source, monkeypatch):
    """What a change of a point counts as where the picture rests, against where mouth and eyes are no exception."""
    source = source.copy()
    for name, place in {
        "mouth_right": (-0.08, 0.15),
        "mouth_left": (0.08, 0.15),
        "upper_lip": (0, 0.13),
        "lower_lip": (0, 0.17),
        "right_lid_upper": (-0.12, -0.07),
        "right_lid_lower": (-0.12, -0.03),
        "left_lid_upper": (0.12, -0.07),
        "left_lid_lower": (0.12, -0.03),
    }.items():
        source[index_of(name)[0]] = place
    found = []
    for lively in (registration_module._LIVELY, 1e-3):
        monkeypatch.setattr(registration_module, "_LIVELY", lively)
        group = registration(picture, source, 1.0)
        group.fit(as_bytes(picture), source.reshape(-1))
        trembling = group.fit(as_bytes(picture), source.reshape(-1), source.reshape(-1)).trembling
        found.append(np.diag(trembling).reshape(-1, 2).sum(1))
    share = dict(zip((point.name for point in POINTS), found[0] / found[1], strict=True))
    # A point moves what is around it, too.
    assert max(share[name] for name in ("upper_lip", "lower_lip", "left_lid_upper", "right_lid_lower")) < 0.7
    assert share["crown"] > 0.95


def test_what_moves_is_not_held_to_what_was_shown(picture, source, moved):
    group = registration(picture, source)
    group.fit(as_bytes(picture), source.reshape(-1))
    after = as_bytes(warp(picture, field(source, moved)))
    held, free = (group.fit(after, moved.reshape(-1), shown).parameters for shown in (source.reshape(-1), None))
    group = registration(picture, source)
    alone = group.fit(after, moved.reshape(-1)).parameters
    assert np.abs(free - alone).max() == 0
    assert np.abs(held - alone).mean() < 0.1 * np.abs(moved.reshape(-1) - source.reshape(-1)).mean()


def test_what_is_not_the_person_does_not_count(picture, source):
    """Only the left half is the person, only the right half changes."""
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[:, : SIZE // 2] = 1
    group = Registration(as_bytes(picture), mask, source.reshape(-1), PointMap())
    changed = as_bytes(picture).copy()
    changed[:, SIZE // 2 + 8 :] = 255 - changed[:, SIZE // 2 + 8 :]
    assert np.abs(group.fit(changed, source.reshape(-1)).parameters - source.reshape(-1)).max() < 5e-3


@pytest.mark.parametrize("value", [0, 255])
def test_pictures_without_detail_leave_the_analysis_alone(picture, source, moved, value):
    flat = np.full((SIZE, SIZE, 3), value, np.uint8)
    group = Registration(flat, np.ones((SIZE, SIZE), np.float32), source.reshape(-1), PointMap())
    fit = group.fit(as_bytes(picture), moved.reshape(-1))
    assert fit.parameters == pytest.approx(moved.reshape(-1), abs=1e-6)
    assert np.isfinite(fit.metric).all()


def test_every_size_of_picture(source, moved):
    for shape in ((64, 64), (72, 101), (300, 200)):
        generator = np.random.default_rng(0)
        key, driving = (generator.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(2))
        mask = np.ones((SIZE, SIZE), np.float32)
        fit = Registration(key, mask, source.reshape(-1), PointMap()).fit(driving, moved.reshape(-1))
        assert np.isfinite(fit.parameters).all()

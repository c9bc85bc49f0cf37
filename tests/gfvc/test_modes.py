"""Modes of the head's motion: how they move a picture, how an encoder finds them, how they are found in clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gfvc.errors import GfvcError
from gfvc.models.blocks import picture_grid, warp
from gfvc.models.families import FAMILIES
from gfvc.models.field import motion_field
from gfvc.models.groups import LOOK_COUNT, MODE_COUNT
from gfvc.models.mode_map import ModeMap
from gfvc.models.mode_shape import NODES
from gfvc.models.modes import MotionModes
from gfvc.models.point_map import PointMap
from gfvc.models.registry import load_model, save_weights, weights_path
from gfvc.models.store import find_weights
from gfvc.registration import Registration
from gfvc.training.loop import Trainer, TrainingFiles, TrainingOptions
from gfvc.training.modes import UNIT_ERROR, Factorisation, Residuals, train_modes

from .media import write_clip
from .test_details import picture, points  # noqa: F401
from .test_registration import SIZE, as_bytes
from .test_registration import picture as detailed  # noqa: F401

WHOLE = np.ones((SIZE, SIZE), np.float32)


@pytest.fixture(scope="module")
def modes() -> MotionModes:
    """Smooth fields, a few hundredths of a face large."""
    found = MotionModes()
    coarse = torch.randn(MODE_COUNT, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    inner = torch.nn.functional.interpolate(coarse, NODES - 2, mode="bicubic", align_corners=True)
    found.basis.data.copy_(0.05 * torch.nn.functional.pad(inner, (1, 1, 1, 1)))
    return found


@torch.no_grad()
def test_encoder_and_decoder_move_alike(modes, points):  # noqa: F811
    places = picture_grid(24, 32, points)
    values = torch.randn(1, MODE_COUNT, generator=torch.Generator().manual_seed(2))
    moved = modes(values, points, places)[0]
    basis = ModeMap(modes.basis.numpy())(points[0].numpy(), places.view(-1, 2).numpy())
    assert pytest.approx(moved.view(-1, 2).numpy(), abs=1e-5) == (basis @ values[0].numpy()).T
    assert moved.norm(dim=-1).max() > 0.02


@torch.no_grad()
def test_modes_turn_and_grow_with_the_head(modes, points):  # noqa: F811
    values = torch.ones(1, MODE_COUNT)
    places = picture_grid(16, 16, points)
    turn = 1.5 * torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    elsewhere = places @ turn.T + 0.2
    moved, other = modes(values, points, places), modes(values, points @ turn.T + 0.2, elsewhere)
    assert torch.allclose(other, moved @ turn.T, atol=1e-5)


@torch.no_grad()
def test_far_from_the_head_nothing_moves(modes, points):  # noqa: F811
    small = 0.2 * points
    places = picture_grid(16, 16, points)
    moved = modes(torch.ones(1, MODE_COUNT), small, places)[0].norm(dim=-1)
    assert moved[:2].max() == 0
    assert moved[7:9, 7:9].min() > 0


@torch.no_grad()
def test_model_gives_modes_to_its_motion_alone(picture, points):  # noqa: F811
    torch.manual_seed(3)
    model = FAMILIES["compact"]().eval()
    model.synthesis.modes.basis.data.normal_(std=0.02)
    parameters = model.analyse(picture)
    assert [group.name for group in model.groups][2] == "mode"
    place = slice(16, 16 + MODE_COUNT)
    # An analysis sees one picture.
    assert not parameters[:, place].any()
    other = parameters.clone()
    other[:, place] = 2.0
    assert torch.equal(model.points(other), model.points(parameters))
    looks, modes = model.told(other)
    assert looks.shape == (1, LOOK_COUNT)
    assert torch.equal(modes, other[:, place])
    state = model.prepare(picture, parameters)
    assert not torch.equal(model.generate(state, other), model.generate(state, parameters))


@torch.no_grad()
def test_registration_finds_modes(modes, points, detailed):  # noqa: F811
    """From none, and nearly those that the picture was moved by."""
    values = 0.7 * torch.randn(1, MODE_COUNT, generator=torch.Generator().manual_seed(4))
    places = picture_grid(SIZE, SIZE, points)
    field, head = (x.unflatten(1, (SIZE, SIZE)) for x in motion_field(points, points, places.view(-1, 2)))
    grid = field + head * modes(values, points, places)
    source = np.concatenate((points.flatten().numpy(), np.zeros(MODE_COUNT, np.float32)))
    known = ModeMap(modes.basis.detach().numpy())
    # The points are known: what is left has to be the modes.
    registration = Registration(as_bytes(detailed), WHOLE, source, _Held(), modes=known)
    found = registration.fit(as_bytes(warp(detailed, grid)), source).parameters[-MODE_COUNT:]
    moved = head * modes(torch.from_numpy(found)[None], points, places) - (grid - field)
    assert moved.norm(dim=-1).mean() < 0.25 * (grid - field).norm(dim=-1).mean()


class _Held(PointMap):
    """Points that no parameter moves, so that a fit is of the modes alone."""

    def __call__(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places, slope = super().__call__(parameters)
        return places, 0 * slope


def test_registration_starts_from_the_modes_shown_before(modes, points, monkeypatch):  # noqa: F811
    monkeypatch.setattr("gfvc.registration.STEPS", 0)
    known = ModeMap(modes.basis.detach().numpy())
    source = np.concatenate((points.flatten().numpy(), np.zeros(MODE_COUNT, np.float32)))
    flat = np.full((SIZE, SIZE, 3), 128, np.uint8)
    registration = Registration(flat, WHOLE, source, PointMap(), rest=4.0, modes=known)
    shown = source.copy()
    shown[-MODE_COUNT:] = 1.0
    fit = registration.fit(flat, source, shown)
    assert np.array_equal(fit.parameters, shown)
    assert fit.metric.shape == (len(source), len(source))
    # With none before it, from none.
    assert np.array_equal(registration.fit(flat, source).parameters, source)


def test_what_says_nothing_of_modes_holds_them_to_none(modes, points):  # noqa: F811
    known = ModeMap(modes.basis.detach().numpy())
    source = np.concatenate((points.flatten().numpy(), np.zeros(MODE_COUNT, np.float32)))
    flat = np.full((SIZE, SIZE, 3), 128, np.uint8)
    shown = source.copy()
    shown[-MODE_COUNT:] = 1.0
    fit = Registration(flat, WHOLE, source, PointMap(), modes=known).fit(flat, source, shown)
    assert np.abs(fit.parameters[-MODE_COUNT:]).max() < 0.01


def test_weights_without_modes_have_none():
    assert ModeMap.of(find_weights("keypoints2d")).count == 0
    assert ModeMap.of(find_weights("compact", weights_path("compact-5"))).count == 0


@pytest.fixture(scope="module")
def residuals() -> tuple[np.ndarray, Residuals]:
    """Three smooth fields, and pairs that show mixtures of them, each only where it happens to look, and some noise."""
    generator = np.random.default_rng(6)
    inner, count = NODES - 2, 60
    axis = np.linspace(-1, 1, inner)
    smooth = np.stack([np.outer(np.cos(a * axis), np.cos(b * axis)) for a, b in ((0, 0), (2, 0), (0, 2))])
    truth = np.concatenate((smooth, smooth[::-1]), axis=1).reshape(3, -1).astype(np.float32)
    fields = generator.normal(size=(count, 3)) @ truth + 0.05 * generator.normal(size=(count, truth.shape[1]))
    seen = (generator.random((count, truth.shape[1])) < 0.5) * 1e-3
    metrics = np.stack([np.diag(row) for row in seen])
    return truth, Residuals(fields.astype(np.float32), metrics.astype(np.float32))


def test_factorisation_finds_what_mixtures_are_made_of(residuals):
    truth, found = residuals
    factorisation = Factorisation(found)
    shares = []
    modes = factorisation.modes(3, lambda done, explained: shares.append(explained))
    assert shares[-1] > 0.97
    # The same space, but for what smoothness costs.
    projected = np.linalg.lstsq(modes.T, truth.T, rcond=None)[0]
    assert np.linalg.norm(modes.T @ projected - truth.T) < 0.15 * np.linalg.norm(truth)


def test_a_step_of_all_modes_costs_the_same_and_the_first_explains_most(residuals):
    _, found = residuals
    factorisation = Factorisation(found)
    modes = factorisation.modes(3)
    metric = np.tensordot(factorisation._weights, found.metrics, 1) / len(found.fields)
    gram = modes @ metric @ modes.T
    assert np.diag(gram) == pytest.approx(np.full(3, UNIT_ERROR), rel=0.05)
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 0.05 * UNIT_ERROR
    spread = factorisation.coefficients(modes)[0].std(0)
    assert (np.diff(spread) < 0).all()


@pytest.fixture
def files(tmp_path, small) -> TrainingFiles:
    """Six clips of six pictures."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for index in range(3):
        brighter = [np.minimum(shown, 235) + np.uint8(10 * index) for shown in small]
        write_clip(folder / f"a{index}.mp4", brighter[:6])
        write_clip(folder / f"b{index}.mp4", brighter[6:])
    return TrainingFiles((folder,), tmp_path / "run", cache=tmp_path / "cache", initial=weights_path("compact-5"))


def options(**changed) -> TrainingOptions:
    usual = {"family": "compact", "stage": "modes", "size": 64, "frame_step": 1, "degrade": True}
    return TrainingOptions(**(usual | changed))


def test_stage_finds_modes_and_leaves_all_else(tmp_path, files):
    weights = train_modes(options(), files)
    before = load_model("compact", files.initial).model.state_dict()
    assert set(weights) - set(before) == {"synthesis.modes.basis"}
    assert all(torch.equal(value, weights[name]) for name, value in before.items())
    basis = weights["synthesis.modes.basis"]
    assert torch.isfinite(basis).all()
    assert basis[0].abs().max() > 0
    assert not basis[:, :, [0, -1]].any()
    assert not basis[..., [0, -1]].any()
    path = tmp_path / "mine.safetensors"
    save_weights(weights, "compact", path)
    assert load_model("compact", path).model.has_modes


def test_stage_refuses_clips_that_are_too_few(files):
    for path in sorted(files.clips[0].iterdir())[2:]:
        path.unlink()
    with pytest.raises(GfvcError, match="6 pairs of pictures, more than 16 expected"):
        train_modes(options(), files)


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"degrade": False}, "needs --degrade and --init"), ({"family": "keypoints2d"}, "keypoints2d, which has none")],
)
def test_stage_refuses_what_it_cannot_use(files, changed, said):
    with pytest.raises(GfvcError, match=said):
        train_modes(options(**changed), files)


@pytest.mark.parametrize("name", ["compact-2", "compact-4"])
def test_stage_refuses_weights_that_lack_more_than_modes(files, name):
    with pytest.raises(GfvcError, match=f"generation {name[-1]}, 5 or later expected"):
        train_modes(options(), replace(files, initial=weights_path(name)))


def test_steps_do_not_find_modes(files):
    with pytest.raises(GfvcError, match="--stage modes makes no steps"):
        Trainer(options(), files, torch.device("cpu"))

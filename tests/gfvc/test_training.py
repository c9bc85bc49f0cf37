"""Short training runs: every stage learns what it should, and a run that was stopped goes on as if it had not been."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from gfvc import GfvcError
from gfvc.cli import main
from gfvc.models.families import FAMILIES
from gfvc.models.points import POINT_COUNT
from gfvc.models.registry import load_model, save_weights, weights_path
from gfvc.training.loop import Trainer, TrainingFiles, TrainingOptions

from .command import environment
from .media import read_clip, write_clip

CPU = torch.device("cpu")
families = pytest.mark.parametrize("family", sorted(FAMILIES))
PICTURES = 2


@pytest.fixture(scope="module")
def clips(small, tmp_path_factory):
    """A folder of two clips of six pictures."""
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "a.mp4", small[:6])
    write_clip(folder / "b.mp4", small[6:])
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trainer(clips, cache):
    """Make a trainer of the smallest kind."""

    def make(run, *, labels=None, teacher=None, initial=None, validation=None, **options):
        usual = {"size": 64, "steps": 3, "batch": PICTURES, "frame_step": 1, "warmup": 1, "precision": "fp32"}
        files = TrainingFiles((clips,), run, labels, validation, cache, initial, teacher)
        return Trainer(TrainingOptions(**(usual | options)), files, CPU)

    return make


def digest(weights, family, path):
    save_weights(weights, family, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def changed(before, after):
    """Names of the parts of the model of which some tensor differs."""
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


def rows(path):
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


@families
def test_three_steps_train_all_parts_and_leave_logs_and_samples(tmp_path, small_clip, trainer, family):
    run = tmp_path / "run"
    trained = trainer(run, family=family, validation=small_clip.parent)
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    weights = trained.fit(log_every=1)
    assert changed(before, weights) == {"analysis", "synthesis"} | ({"decoder"} if family == "compact" else set())
    assert all(torch.isfinite(value).all() for value in weights.values())
    logged = rows(run / "log.csv")
    assert [int(row["step"]) for row in logged] == [1, 2, 3]
    assert all(float(row["l1"]) > 0 and float(row["learning_rate"]) > 0 for row in logged)
    assert float(rows(run / "validation.csv")[-1]["psnr"]) > 5
    # Key, driving and generated pictures below each other.
    assert read_clip(run / "sample-000003.png")[0].shape == (3 * 64, PICTURES * 64, 3)
    # What is written is a model.
    sha256 = save_weights(weights, family, tmp_path / "mine.safetensors")
    assert load_model(family, tmp_path / "mine.safetensors").sha256 == sha256


def test_points_stage_learns_from_a_teacher_and_leaves_the_synthesis_alone(tmp_path, trainer):
    trained = trainer(tmp_path / "run", stage="points", teacher=weights_path("keypoints2d-1"))
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    assert changed(before, trained.fit(log_every=1)) == {"analysis"}
    assert float(rows(tmp_path / "run" / "log.csv")[0]["face"]) > 0


def test_code_stage_learns_to_give_back_the_points(tmp_path, trainer):
    options = {"family": "compact", "stage": "code", "initial": weights_path("keypoints2d-1")}
    trained = trainer(tmp_path / "run", steps=40, learning_rate=2e-3, **options)
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    weights = trained.fit(log_every=5)
    different = {name for name in before if not torch.equal(before[name], weights[name])}
    assert all(name.startswith(("analysis.encoder.", "decoder.")) for name in different)
    losses = [float(row["face"]) for row in rows(tmp_path / "run" / "log.csv")]
    assert losses[-1] < 0.6 * losses[0]
    # The points are found once, and a second run takes them from there.
    (points,) = (tmp_path / "run").glob("points-*.npy")
    assert np.load(points).shape == (12, POINT_COUNT, 2)
    again = trainer(tmp_path / "run", steps=1, **options)
    assert torch.equal(again.sampler.points, trained.sampler.points)


def test_synthesis_stage_leaves_the_analysis_alone(tmp_path, trainer):
    initial = weights_path("keypoints2d-1")
    trained = trainer(tmp_path / "run", stage="synthesis", initial=initial, hold=("stem", "encode"))
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    shipped = load_model("keypoints2d", initial).model.state_dict()
    assert all(torch.equal(before[name], value) for name, value in shipped.items() if name.startswith("analysis."))
    weights = trained.fit()
    held = tuple(f"synthesis.{part}." for part in ("restore", "person", "stem", "encode"))
    assert changed(before, weights) == {"synthesis"}
    different = {name for name in before if not torch.equal(before[name], weights[name])}
    assert not any(name.startswith(held) for name in different)


def test_restore_stage_makes_key_pictures_more_like_their_originals(tmp_path, trainer):
    options = {"stage": "restore", "degrade": True, "steps": 40, "learning_rate": 3e-3, "adversarial": 0.01}
    trained = trainer(tmp_path / "run", **options)
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    weights = trained.fit(log_every=5)
    different = {name for name in before if not torch.equal(before[name], weights[name])}
    assert different
    assert all(name.startswith("synthesis.restore.") for name in different)
    losses = [float(row["l1"]) for row in rows(tmp_path / "run" / "log.csv")]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


def test_restore_stage_without_decoded_pictures_is_refused(tmp_path, trainer):
    with pytest.raises(GfvcError, match="needs --degrade"):
        trainer(tmp_path / "run", stage="restore")


def test_synthesis_learns_from_restored_key_pictures(tmp_path, trainer, cache):
    trained = trainer(tmp_path / "run", stage="synthesis", degrade=True, adversarial=0.1, features=1.0)
    assert list(cache.glob("restored-64-*.npy"))
    assert trained.sampler.degraded.shape == (2, 64, 64, 3)
    assert all(torch.isfinite(value).all() for value in trained.fit(log_every=1).values())
    row = rows(tmp_path / "run" / "log.csv")[-1]
    assert all(float(row[name]) > 0 for name in ("adversarial", "features", "critic", "texture", "new"))


def test_details_stage_trains_the_painters_and_what_they_are_told_alone(tmp_path, trainer):
    options = {"family": "compact", "stage": "details", "degrade": True, "initial": weights_path("compact-3")}
    trained = trainer(tmp_path / "run", adversarial=0.1, features=1.0, **options)
    squares = trained.sampler.squares
    # A decoded key picture of each clip, with each other picture of it.
    assert squares.squares.shape == (10, 3, 3, 64, 64, 3)
    assert np.isfinite(squares.points).all()
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    weights = trained.fit(log_every=1)
    different = {name for name in before if not torch.equal(before[name], weights[name])}
    assert different
    assert all(name.startswith(("synthesis.details.", "analysis.looks.")) for name in different)
    # The looks begin with what finds the points.
    for part in ("mouth", "eye"):
        assert torch.equal(
            before[f"analysis.looks.{part}.down2.conv.weight"], before[f"analysis.local.{part}.down2.conv.weight"]
        )
    row = rows(tmp_path / "run" / "log.csv")[-1]
    assert all(float(row[name]) > 0 for name in ("l1", "found", "looks", "texture", "adversarial", "critic"))


def test_squares_are_those_of_pictures_that_are_not_painted_yet(tmp_path, trainer):
    """Whatever the painters of the initial weights have learned."""
    options = {"family": "compact", "stage": "details", "degrade": True}
    first = trainer(tmp_path / "a", initial=weights_path("compact-4"), **options)
    weights = load_model("compact", weights_path("compact-4")).model.state_dict()
    for name in ("mouth", "eye"):
        weights[f"synthesis.details.{name}.out.bias"] += 0.3
    path = tmp_path / "other.safetensors"
    save_weights(weights, "compact", path, 4)
    other = trainer(tmp_path / "b", initial=path, **options)
    assert np.array_equal(first.sampler.squares.squares, other.sampler.squares.squares)


def test_details_stage_needs_a_model_that_knows_the_person(tmp_path, trainer):
    with pytest.raises(GfvcError, match="generation 2, 3 or later expected"):
        trainer(tmp_path / "run", family="compact", stage="details", degrade=True, initial=weights_path("compact-2"))


def test_details_stage_without_decoded_pictures_is_refused(tmp_path, trainer):
    with pytest.raises(GfvcError, match="needs --degrade and --init"):
        trainer(tmp_path / "run", family="compact", stage="details", initial=weights_path("compact-3"))


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """Landmarks of both clips: a plausible spread of the mesh, and no face in one picture; outlines of one clip."""
    folder = tmp_path_factory.mktemp("labels")
    generator = np.random.default_rng(0)
    for name in "ab":
        marks = generator.uniform(-0.6, 0.6, (6, 478, 2)).astype(np.float16)
        marks[2] = np.nan
        np.save(folder / f"{name}.npy", marks)
    masks = np.zeros((6, 128, 128), np.uint8)
    for index, mask in enumerate(masks):
        mask[40:, 30 + 4 * index : 90 + 4 * index] = 255
    points = generator.uniform(-0.6, 0.6, (6, 5, 2)).astype(np.float16)
    np.savez(folder / "a.outline.npz", points=points, masks=masks)
    return folder


def test_local_stage_trains_the_refinement_of_mouth_and_eyes_alone(tmp_path, trainer, labels):
    trained = trainer(tmp_path / "run", stage="local", labels=labels)
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    weights = trained.fit(log_every=1)
    different = {name for name in before if not torch.equal(before[name], weights[name])}
    assert different
    assert all(name.startswith("analysis.local.") for name in different)
    logged = rows(tmp_path / "run" / "log.csv")
    assert all(float(row["mouth"]) > 0 and float(row["eyes"]) > 0 for row in logged)


def test_person_stage_learns_the_mask_and_nothing_else(tmp_path, trainer, labels):
    trained = trainer(tmp_path / "run", stage="person", labels=labels, steps=20, learning_rate=5e-3)
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    weights = trained.fit(log_every=5)
    different = {name for name in before if not torch.equal(before[name], weights[name])}
    assert all(name.startswith("synthesis.person.") for name in different)
    assert {name.split(".")[2] for name in different} == {"find", "correct"}
    logged = rows(tmp_path / "run" / "log.csv")
    assert np.mean([float(row["mask"]) for row in logged[-2:]]) < 0.9 * float(logged[0]["mask"])


def test_points_stage_learns_the_outline_where_it_is_labelled(tmp_path, trainer, labels):
    trained = trainer(tmp_path / "run", stage="points", labels=labels, teacher=weights_path("keypoints2d-1"))
    trained.fit(log_every=1)
    # Pairs of the other clip have none.
    assert max(float(row["outline"]) for row in rows(tmp_path / "run" / "log.csv")) > 0


def test_synthesis_stage_takes_labels_for_some_pairs(tmp_path, trainer, labels):
    """With labels the losses differ, and the run still gives finite weights."""
    initial = weights_path("keypoints2d-1")
    with_labels, without = (
        trainer(tmp_path / name, stage="synthesis", initial=initial, labels=given)
        for name, given in (("with", labels), ("without", None))
    )
    assert all(torch.isfinite(value).all() for value in with_labels.fit(log_every=1).values())
    without.fit(log_every=1)
    assert rows(tmp_path / "with" / "log.csv") != rows(tmp_path / "without" / "log.csv")


@pytest.mark.parametrize(
    ("family", "stage"),
    [
        ("keypoints2d", "full"),
        ("compact", "code"),
        ("keypoints2d", "points"),
        ("keypoints2d", "restore"),
        ("compact", "synthesis"),
        ("compact", "details"),
    ],
)
def test_resumed_run_gives_the_weights_of_an_uninterrupted_one(tmp_path, trainer, family, stage):
    options = {"family": family, "stage": stage, "steps": 2}
    if stage in ("restore", "synthesis", "details"):
        options |= {"degrade": True, "adversarial": 0.1, "features": 1.0}
    options |= {"teacher": weights_path("keypoints2d-1")} if stage == "points" else {}
    options |= {"initial": weights_path("compact-3")} if stage == "details" else {}

    def stop(logged):
        if logged.step == 2:
            raise KeyboardInterrupt

    whole = trainer(tmp_path / "whole", **options).fit(save_every=1)
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "parts", **options).fit(log_every=1, save_every=1, report=stop)
    again = trainer(tmp_path / "parts", **options)
    assert again.resume()
    assert again.step == 1
    parts = again.fit(save_every=1)
    assert digest(parts, family, tmp_path / "b") == digest(whole, family, tmp_path / "a")


def test_finished_run_gives_its_weights_again(tmp_path, trainer):
    first = trainer(tmp_path / "run", steps=1).fit()
    again = trainer(tmp_path / "run", steps=1)
    assert again.resume()
    assert digest(again.fit(), "keypoints2d", tmp_path / "b") == digest(first, "keypoints2d", tmp_path / "a")


@pytest.mark.parametrize(("option", "value"), [("seed", 1), ("batch", 3), ("learning_rate", 1e-3), ("ema", 0.9)])
def test_resuming_with_other_options_is_refused(tmp_path, trainer, option, value):
    trainer(tmp_path / "run", steps=1).save()
    with pytest.raises(GfvcError, match=f"now {option}={value}; use another --run folder"):
        trainer(tmp_path / "run", steps=1, **{option: value}).resume()


def test_new_run_has_nothing_to_resume(tmp_path, trainer):
    assert not trainer(tmp_path / "run", steps=1).resume()


def test_processes_of_a_resumed_run_draw_different_pairs(tmp_path, trainer, monkeypatch):
    trainer(tmp_path / "run", steps=1).save()
    batches = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        resumed = trainer(tmp_path / "run", steps=1)
        assert resumed.resume()
        batches.append(resumed.train_step()[1])
    assert not torch.equal(batches[0].driving, batches[1].driving)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"family": "faces"}, "--family 'faces'"),
        ({"stage": "all"}, "--stage 'all'"),
        ({"size": 65}, "--size 65"),
        ({"stage": "points"}, "needs --teacher"),
        ({"stage": "local"}, "needs --labels"),
        ({"stage": "person"}, "needs --labels"),
        ({"stage": "synthesis", "hold": ("hair",)}, "--hold hair, one of restore, person, stem"),
        ({"stage": "local", "family": "compact"}, "--family compact, keypoints2d expected"),
        ({"stage": "points", "family": "compact"}, "--family compact, keypoints2d expected"),
        ({"stage": "code"}, "--family keypoints2d, compact expected"),
    ],
)
def test_bad_options_are_an_error_of_the_package(tmp_path, trainer, options, said):
    with pytest.raises(GfvcError, match=said):
        trainer(tmp_path / "run", **options)


@pytest.mark.parametrize("use", ["teacher", "initial"])
def test_weights_that_are_none_are_named(tmp_path, trainer, use):
    (tmp_path / "text.safetensors").write_text("no weights")
    given = {"teacher": weights_path("keypoints2d-1"), use: tmp_path / "text.safetensors"}
    with pytest.raises(GfvcError, match=r"text\.safetensors"):
        trainer(tmp_path / "run", stage="points", **given)


SHORT = "--size 64 --steps 2 --batch 2 --frame-step 1 --warmup 1 --precision fp32 --device cpu --log-every 1"


def test_command_trains_and_states_the_hash_of_the_weights(tmp_path, clips, capfd):
    out = tmp_path / "mine.safetensors"
    places = ["--clips", str(clips), "--run", str(tmp_path / "run"), "--out", str(out)]
    assert main(["train", *places, "--degrade", *SHORT.split()]) == 0
    assert f"SHA-256 {hashlib.sha256(out.read_bytes()).hexdigest()}" in capfd.readouterr().out
    assert load_model("keypoints2d", out).name == "mine"


def test_two_processes_train_one_model(tmp_path, clips):
    """Started as torchrun does, with a cache that both find missing."""
    run = tmp_path / "run"
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--", "gfvc", "train"]
    done = subprocess.run(
        [sys.executable, *launch, "--clips", str(clips), "--run", str(run), *SHORT.split()],
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert [int(row["step"]) for row in rows(run / "log.csv")] == [1, 2]
    assert load_model("keypoints2d", run / "keypoints2d.safetensors")

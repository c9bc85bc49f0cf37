"""The measuring tools: they see what is there, and what is not."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from bitstream import BitstreamError
from datasets.clips import ClipError, read_pictures
from eval import ablation, attack, contact_sheet, expression, parameter_sweep
from gfvc.models.points import FACE_COUNT, VERTICES
from gfvc.models.registry import load_model

from ..gfvc.media import DEMO, read_clip, scaled, write_clip
from ..gfvc.streams import encode_stream


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Two short streams of small pictures."""
    folder = tmp_path_factory.mktemp("streams")
    pictures = [scaled(picture, 64, 64) for picture in read_clip(DEMO, 4)]
    found = []
    for codec in ("av1", "avc"):
        path = folder / f"{codec}.gfv"
        path.write_bytes(encode_stream(pictures, key_codec=codec, key_interval=2, run=1))
        found.append(attack.load_sample(path))
    return found


def test_attack_on_the_decoder_finds_nothing(samples):
    rng = random.Random(1)
    outcomes = []
    for _ in range(60):
        sample = rng.choice(samples)
        data, intact = attack.mutant(sample, samples, rng)
        outcomes.append(attack.judge(data, sample, intact))
    assert not [outcome for outcome in outcomes if outcome.startswith("broken")]
    assert len(set(outcomes)) > 3


def test_attack_knows_how_many_pictures_are_undamaged(samples):
    sample = samples[0]
    assert attack.judge(sample.data, sample, 4) == "decoded"
    assert attack.judge(sample.data[:-1], sample, 4) == "clause 6.4"
    # The last unit with a picture is damaged: expecting all four is too much.
    last = sample.ends[-2][0] - 1
    cut = sample.data[:last] + bytes([sample.data[last] ^ 1]) + sample.data[last + 1 :]
    assert attack.judge(cut, sample, 3) == "clause 6.4"
    assert attack.judge(cut, sample, 4) == "broken: pictures before the damage lost (clause 6.4)"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(ValueError("no"), "broken: ValueError"), (BitstreamError("no", offset=None, clause="6.1"), "broken: no offset")],
)
def test_attack_sees_other_errors(samples, monkeypatch, error, outcome):
    def fail(data, found):
        raise error

    monkeypatch.setattr(attack, "show", fail)
    assert attack.judge(samples[0].data, samples[0], 0) == outcome


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A clip and labels that are the model's own points, and the model."""
    folder = tmp_path_factory.mktemp("labelled")
    clip = write_clip(folder / "clip.mp4", read_clip(DEMO, 24)[::2])
    model = load_model().model
    pictures = torch.from_numpy(np.stack(list(read_pictures(clip, 256)))).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        points = model.points(model.analyse(pictures))[:, :FACE_COUNT].numpy()
    marks = np.full((len(points), 478, 2), np.nan, np.float16)
    marks[:, list(VERTICES)] = points
    np.save(folder / "clip.npy", marks)
    return folder, model


def test_expression_of_points_that_are_the_labels_is_perfect(labelled):
    folder, model = labelled
    found = expression.measure(model, folder, folder, step=1)
    assert found["clips"] == 1
    assert all(value == pytest.approx(1, abs=0.05) for value in found["slope"].values())
    assert all(value < 0.2 for value in found["error_percent"].values())


def test_expression_sees_halved_movements(labelled, monkeypatch):
    """The upper lip moves half as far, around its mean."""
    folder, model = labelled
    exact = expression.analyse_clip

    def damped(*arguments):
        points = exact(*arguments)
        return points.mean(0) + 0.5 * (points - points.mean(0))

    monkeypatch.setattr(expression, "analyse_clip", damped)
    assert expression.measure(model, folder, folder, step=1)["slope"]["lips"] == pytest.approx(0.5, abs=0.05)


def test_expression_without_labels_is_an_error(labelled, tmp_path):
    with pytest.raises(ClipError, match="no labels"):
        expression.measure(labelled[1], labelled[0], tmp_path)


def test_contact_sheet_has_three_rows(tmp_path, monkeypatch):
    pictures = [scaled(picture, 64, 64) for picture in read_clip(DEMO, 12)]
    original = write_clip(tmp_path / "a.mp4", pictures)
    decoded = write_clip(tmp_path / "b.mp4", pictures)
    arguments = ["contact_sheet", str(original), str(decoded), str(tmp_path / "sheet.png"), "--columns", "4"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert contact_sheet.main() == 0
    assert read_clip(tmp_path / "sheet.png")[0].shape == (3 * 64, 4 * 64, 3)


def test_finer_steps_cost_more_and_err_less(labelled):
    folder, model = labelled
    clip = parameter_sweep.analyse_clip(model, folder / "clip.mp4")
    assert clip.parameters.shape[0] == 12 == len(clip.points)
    sizes, errors = [], []
    for quantiser in (-8, 0, 8):
        size, received = parameter_sweep.transmit(clip.parameters, model, quantiser, 0.6, 0.0)
        sizes.append(size)
        errors.append(parameter_sweep.compare(clip.points, parameter_sweep.points_of(model, received)))
    assert sizes == sorted(sizes)
    # Pose, mouth, eyes.
    assert all(a > b for a, b in zip(errors[0][:3], errors[2][:3], strict=True))


def test_what_does_not_move_costs_a_flag_a_picture(labelled):
    _, model = labelled
    still = np.repeat(np.linspace(-0.5, 0.5, sum(g.count for g in model.groups))[None], 33, axis=0)
    size, received = parameter_sweep.transmit(still.astype(np.float32), model, 0, 0.6, 0.0)
    assert size < 33
    assert (received == received[0]).all()


def test_judge_of_an_equal_clip_and_of_a_blurred_and_trembling_one():
    pictures = read_clip(DEMO, 3)
    equal = ablation.judge(pictures, pictures)
    assert equal["psnr_y"] > 50
    assert equal["sharpness"] == pytest.approx(1) == equal["flicker"]
    blurred = [np.stack([uniform_filter(p[..., c], 5) for c in range(3)], axis=-1) for p in pictures]
    assert ablation.judge(pictures, blurred)["sharpness"] < 0.5
    trembling = [np.roll(picture, index % 2, axis=1) for index, picture in enumerate(pictures)]
    assert ablation.judge(pictures, trembling)["flicker"] > 2


def test_ablation_leaves_parts_out():
    """Of the codec as it runs: rate without registration, changes that are shown, detail without restoration."""
    options = {"family": "compact", "weights": None, "key_qp": 50, "key_refresh": "off", "backend": "torch"}
    found = {
        name: ablation.coded(DEMO, ablation.VARIANTS[name], options, 4)
        for name in ("whole", "small changes shown", "no restoration of key pictures")
    }
    assert all(tuple(row) == ablation.METRICS for row in found.values())
    whole, restless, coarse = found.values()
    assert restless["flicker"] > whole["flicker"]
    assert coarse["sharpness"] < whole["sharpness"]
    assert restless["kbps_parameters"] == coarse["kbps_parameters"] == whole["kbps_parameters"]
    # Bits are cheap here and nothing is held, so that a second of the clip shows it.
    bent, stiff = (
        ablation.coded(DEMO, ablation.VARIANTS[name], options | {"lagrangian": 1e-6, "rest": 0.0}, 30)
        for name in ("whole", "no modes of motion")
    )
    assert stiff["psnr_y"] < bent["psnr_y"]

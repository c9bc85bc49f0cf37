"""Landmark distance and identity: real detector and library, networks whose answer is known for the large ones."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
import torch

from datasets.faces import FaceDetector
from datasets.weights import WeightFile, sha256_of
from eval import __main__ as entry
from eval.rd import faces, metrics, schedule, work
from gfvc.errors import GfvcError, MissingPackageError

from ..gfvc.media import DEMO, SHARED, read_clip

WEIGHTS = SHARED / "weights"
FAN_FILE = "2DFAN4-11f355bf06.pth.tar"
needs_blazeface = pytest.mark.skipif(not (WEIGHTS / "blazeface.pth").exists(), reason="no weights of BlazeFace")


@pytest.fixture
def folder(tmp_path):
    """A user's folder of weights with the face detector's."""
    for name in ("blazeface.pth", "anchors.npy"):
        (tmp_path / name).symlink_to((WEIGHTS / name).resolve())
    return tmp_path


class Dots(torch.nn.Module):
    """In FAN's place: the outer eye corners are where the picture is green, left and right; all other points where it
    is red."""

    def __init__(self, _size=4):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        small = torch.nn.functional.avg_pool2d(x, 4)
        red, green = (small[:, this] - small[:, other] - small[:, 2] for this, other in ((0, 1), (1, 0)))
        heat = red[:, None].repeat(1, 68, 1, 1)
        heat[:, 36] = green * (torch.arange(64) < 32)
        heat[:, 45] = green * (torch.arange(64) >= 32)
        return [self.gain * heat]


def dotted(picture, box, move=0):
    """Two green dots at the height of the eyes, a red one ``move`` pixels right of the middle between them."""
    grey = np.repeat(picture.mean(2, keepdims=True), 3, 2).astype(np.uint8)
    x, y = (round(value) for value in box.centre)
    apart = round(box.side / 4)
    for place, colour in ((x - apart, (0, 255, 0)), (x + apart, (0, 255, 0)), (x - 8 + move, (255, 0, 0))):
        row = y if colour[0] else y - 16
        grey[row - 3 : row + 3, place - 3 : place + 3] = colour
    return grey, 2 * apart


def stack(*pictures):
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()


@needs_blazeface
def test_landmarks_are_as_far_apart_as_they_were_moved(folder, monkeypatch):
    """In percent of the eyes' distance; no face in the original, no value."""
    network = Dots()
    torch.save({"gain": torch.ones(1)}, folder / FAN_FILE)
    monkeypatch.setattr("face_alignment.api.FAN", lambda size: network)
    entry_of = WeightFile("", sha256_of(folder / FAN_FILE)[:8])
    monkeypatch.setitem(metrics.weights.FILES, FAN_FILE, entry_of)
    measure = metrics.build("landmark-distance", folder)
    assert network.gain.item() == 1
    picture = read_clip(DEMO, 1)[0]
    box = FaceDetector(weights_dir=folder).detect(picture)[0]
    monkeypatch.setattr(faces.FaceDetector, "detect", lambda self, shown: [box] if shown.std() > 5 else [])
    (original, eyes), (moved, _) = dotted(picture, box), dotted(picture, box, move=24)
    blank = np.full_like(original, 90)
    equal, far, none = measure(stack(original, original, blank), stack(original, moved, original)).tolist()
    assert equal == 0
    assert far == pytest.approx(100 * 24 / eyes * 66 / 68, rel=0.12)
    assert np.isnan(none)


@needs_blazeface
def test_a_damaged_fan_is_named(folder, monkeypatch):
    torch.save({"gain": torch.ones(3)}, folder / FAN_FILE)
    monkeypatch.setitem(metrics.weights.FILES, FAN_FILE, WeightFile("", sha256_of(folder / FAN_FILE)[:8]))
    monkeypatch.setattr("face_alignment.api.FAN", Dots)
    with pytest.raises(GfvcError, match="2DFAN4.*not the weights expected"):
        metrics.build("landmark-distance", folder)


class Quarters(torch.nn.Module):
    """In a recogniser's place: mean colours of the quarters of the cut."""

    def forward(self, x):
        return torch.nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)


@pytest.fixture
def recogniser(folder):
    torch.jit.script(Quarters()).save(str(folder / "identity.pt"))
    return folder


@needs_blazeface
def test_identity_is_the_cosine_of_the_embeddings_of_both_cuts(recogniser):
    picture = read_clip(DEMO, 1)[0]
    other = picture[::-1, :, ::-1].copy()
    measure = metrics.build("identity", recogniser)
    equal, differing = measure(stack(picture, picture), stack(picture, other)).tolist()
    assert equal == pytest.approx(1, abs=1e-5)
    box = FaceDetector(weights_dir=recogniser).detect(picture)[0]
    cuts = [faces.cut(stack(shown)[0], box)[0].numpy() / 127.5 - 1 for shown in (picture, other)]
    vectors = [cut.reshape(3, 2, 56, 2, 56).mean((2, 4)).ravel() for cut in cuts]
    by_hand = vectors[0] @ vectors[1] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[1])
    assert differing == pytest.approx(by_hand, abs=1e-4)
    assert differing < 0.95


def test_the_cut_shows_the_face():
    """A fifth larger than the box; what lies outside the picture repeats its edge."""
    picture = torch.zeros(3, 100, 100)
    picture[:, 30:70, 40:80] = 255
    box = faces.Box(40, 30, 80, 70, 1.0)
    (cut,) = faces.cut(picture, box)
    assert cut.shape == (3, 112, 112)
    edge = round(112 / 1.2 * 0.1)
    assert cut[:, edge + 2 : -edge - 2, edge + 2 : -edge - 2].min() > 254.9
    assert cut[:, : edge - 2].max() < 0.1
    outside = faces.cut(picture + 9, faces.Box(-60, -60, -20, -20, 1.0))
    assert torch.allclose(outside, torch.full((1, 3, 112, 112), 9.0))


@needs_blazeface
def test_columns_of_the_results(recogniser, tmp_path, monkeypatch, capsys):
    """Identity where its network is, landmarks "not available" with what to fetch."""
    monkeypatch.setattr(schedule, "local", lambda tasks, jobs: ((name, work.run(task)) for name, task in tasks))
    command = ["rd", "--clips", str(DEMO), "--out", str(tmp_path / "rd"), "--conditions", "quick", "--frames", "2"]
    command += ["--anchors", "x264", "--metrics", "identity", "landmark-distance", "psnr-y", "--no-report", "-q"]
    assert entry.main([*command, "--weights-dir", str(recogniser)]) == 0
    assert f"metric landmark-distance left out: {FAN_FILE} not available: fetch https://" in capsys.readouterr().err
    with (tmp_path / "rd" / "points.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(0.5 < float(row["identity"]) <= 1 and row["landmark-distance"] == "" for row in rows)
    assert set(json.loads((tmp_path / "rd" / "summary.json").read_text())["metrics_left_out"]) == {"landmark-distance"}


@needs_blazeface
def test_without_face_alignment_the_rest_goes_on(recogniser, tmp_path, monkeypatch, capsys):
    from eval.rd.command import usable_metrics
    from eval.rd.conditions import load, narrow

    for name in list(sys.modules):
        if name.startswith("face_alignment"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    with pytest.raises(MissingPackageError, match=r"pip install gfvc\[datasets\]"):
        metrics.build("identity", recogniser)
    conditions = narrow(load("quick"), metrics=["psnr-y", "identity"])
    able, absent = usable_metrics(conditions, recogniser, fetch=False)
    assert able == ["psnr-y"]
    assert "pip install gfvc[datasets]" in absent["identity"]

"""What the points' motion alone explains, on a drawn person whose way is known."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from eval import motion
from gfvc.models.points import VERTICES

from ..gfvc.media import write_clip

SIZE, STEP = 128, 12


@pytest.fixture
def drawn(tmp_path):
    """Three pictures of a textured square that goes right by 12 pixels a picture before a textured background; its
    labels."""
    generator = np.random.default_rng(1)
    coarse = generator.integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    background, texture = (np.kron(plane, np.ones((8, 8, 1), np.uint8)) for plane in coarse)
    pictures, masks = [], []
    for index in range(3):
        picture, mask = background.copy(), np.zeros((128, 128), np.uint8)
        across = slice(24 + STEP * index, 80 + STEP * index)
        picture[40:, across], mask[40:, across] = texture[40:, 24:80], 255
        pictures.append(picture)
        masks.append(mask)
    clips, labels = tmp_path / "clips", tmp_path / "labels"
    clips.mkdir()
    labels.mkdir()
    write_clip(clips / "a.mp4", pictures)
    shift = np.arange(3)[:, None] * 2 * STEP / SIZE
    face = np.zeros((3, 478, 2), np.float16)
    face[:, list(VERTICES)] = generator.uniform((-0.55, -0.3), (0.2, 0.9), (17, 2))
    outline = np.tile(np.array([[-0.2, -0.35], [-0.6, 0.2], [0.2, 0.2], [-0.6, 0.9], [0.2, 0.9]]), (3, 1, 1))
    face[..., 0] += shift
    outline[..., 0] += shift
    np.save(labels / "a.npy", face)
    np.savez(labels / "a.outline.npz", points=outline.astype(np.float16), masks=np.stack(masks))
    return clips, labels


def test_a_person_that_moves_before_a_background_at_rest_is_explained(drawn, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["eval.motion", *map(str, drawn), "--json"])
    assert motion.main() == 0
    mean = json.loads(capsys.readouterr().out)["mean"]
    assert mean["field, person"] > mean["at rest"] + 3
    assert mean["field, person"] > mean["field"] + 3
    assert mean["affine, person"] > mean["affine"] + 3


def test_clips_without_labels_are_an_error(drawn, tmp_path, capsys, monkeypatch):
    clips, _ = drawn
    monkeypatch.setattr(sys, "argv", ["eval.motion", str(clips), str(tmp_path)])
    with pytest.raises(SystemExit):
        motion.main()
    assert "no labels" in capsys.readouterr().err

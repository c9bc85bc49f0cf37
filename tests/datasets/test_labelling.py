"""The command line of the labellers: which clips are labelled, and where the labels go. MediaPipe is a stand-in."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from datasets.clips import whole_file
from datasets.labelling import start


@pytest.fixture
def labeller(tmp_path, monkeypatch):
    """The clips that remain to be labelled, as the command finds them in `CLIPS`."""
    monkeypatch.setitem(sys.modules, "mediapipe", ModuleType("mediapipe"))

    def find(suffix=".outline.npz"):
        monkeypatch.setattr(sys, "argv", ["labeller", str(tmp_path / "clips"), str(tmp_path / "labels")])
        return start("labeller", "Label clips.\n\nAt length.", "folder of labels", suffix)[1]

    return find


def test_labels_have_the_path_of_their_clip_and_those_already_there_are_kept(tmp_path, labeller):
    (tmp_path / "clips" / "id").mkdir(parents=True)
    for name in ("a.b.mp4", "id/still.JPEG", "id/notes.txt", "c.avi"):
        (tmp_path / "clips" / name).touch()
    found = []
    for clip in labeller():
        found.append((clip.place, clip.target.relative_to(tmp_path / "labels").as_posix()))
        # Another process labels the last one meanwhile.
        (tmp_path / "labels" / "id").mkdir(parents=True, exist_ok=True)
        (tmp_path / "labels" / "id" / "still.outline.npz").touch()
    assert found == [("1/3 a.b.mp4", "a.b.outline.npz"), ("2/3 c.avi", "c.outline.npz")]


def test_a_folder_without_clips_is_an_error_of_the_command(tmp_path, labeller, capsys):
    with pytest.raises(SystemExit, match="2"):
        labeller()
    assert "clips: not a folder" in capsys.readouterr().err


def test_without_mediapipe_it_says_how_to_install_it(labeller, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(SystemExit, match="2"):
        labeller()
    assert "pip install mediapipe==" in capsys.readouterr().err


def test_a_file_that_is_not_finished_leaves_nothing_and_keeps_the_old_one(tmp_path):
    target = tmp_path / "labels.npy"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), whole_file(target) as handle:
        handle.write(b"half")
        raise KeyboardInterrupt
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    with whole_file(target) as handle:
        handle.write(b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]

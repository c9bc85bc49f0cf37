"""The conformance suite in the repository is read as it says, and its runner notices when it is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from eval.conformance import FOLDER, main
from eval.conformance_streams import conforming

from ..gfvc.media import ROOT

MAX_BYTES = 1_000_000


def test_every_stream_agrees_and_every_branch_is_reached(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    assert "0 wrong" in text
    assert "NOT REACHED" not in text


def test_the_suite_is_small_and_complete():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < MAX_BYTES
    for path in FOLDER.glob("*/*.json"):
        assert path.with_name(json.loads(path.read_text())["file"]).is_file()
    assert FOLDER == ROOT / "bitstream" / "conformance"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for kind, name in (("conforming", "points_2d"), ("nonconforming", "purpose")):
        (tmp_path / kind).mkdir()
        for path in (FOLDER / kind).glob(f"{name}.*"):
            shutil.copy(path, tmp_path / kind)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("conforming/points_2d.json", "parameters_md5", "0"),
        ("conforming/points_2d.json", "messages", []),
        ("conforming/points_2d.json", "pictures_md5", []),
        ("conforming/points_2d.json", "sha256", "0"),
        ("conforming/points_2d.json", "warnings", ["a"]),
        ("nonconforming/purpose.json", "violation", {}),
    ],
)
def test_a_difference_is_named(copied, capsys, file, key, value):
    expected = json.loads((copied / file).read_text())
    (copied / file).write_text(json.dumps(expected | {key: value}))
    assert main([str(copied), "--json"]) == 1
    failed = json.loads(capsys.readouterr().out)["failed"]
    assert list(failed) == [file.removesuffix(".json")]


def test_streams_are_drawn_from_a_seed():
    names = [vector.name for vector in conforming()]
    assert sorted(names) == sorted(path.stem for path in (FOLDER / "conforming").glob("*.json"))

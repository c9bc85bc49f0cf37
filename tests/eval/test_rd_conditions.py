"""Conditions files: what ships is sound, what is wrong is named."""

from __future__ import annotations

import pytest

from eval.rd import anchors
from eval.rd.conditions import FOLDER, load, narrow
from eval.rd.points import plan
from gfvc.errors import GfvcError


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_conditions_can_be_run(path):
    conditions = load(path.stem)
    assert conditions.name == path.stem
    points, _ = plan(conditions)
    assert len({point.name for point in points}) == len(points)
    assert any(point.ours for point in points)
    assert any(point.half_size for point in points)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frames = 0", "frames: 0 found"),
        ("frames = 'all'", "frames: 'all' found"),
        ("speed = 3", "'speed' found, one of name, frames"),
        ("[gfvc]\nfamilies = ['big']", "gfvc.families"),
        ("[gfvc]\nfamilies = 'compact'", "gfvc.families: 'compact' found, a list"),
        ("[gfvc]\ncarriages = ['gfv', 'hevc']", "an entry for carriage hevc"),
        ("[gfvc]\nkey_qps = { gfv = [64] }", "whole numbers from 0 to 63"),
        ("[anchors.x266]\nqps = [3]", "'x266' found, one of x264"),
        ("[anchors.x265]\nqps = [52]", "anchors.x265.qps: .* 0 to 51"),
        ("[anchors.x265]\nhalf = [50]", "'half' found"),
        ("[metrics]\nnames = ['vmaf']", "metrics.names"),
        ("[bd]\nmethod = 'cubic'", "pchip or akima|one of pchip"),
        ("frames = [", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(GfvcError, match=message) as error:
        load(path)
    assert "bad.toml" in str(error.value)


def test_unknown_conditions_list_what_there_is():
    with pytest.raises(GfvcError, match="default"):
        load("fast")


def test_options_override_the_file():
    found = narrow(load("quick"), families=["keypoints2d"], anchors=["x265"], frames=4, metrics=["psnr-y"])
    points, _ = plan(found)
    assert {point.codec for point in points} == {"keypoints2d", "x265"}
    assert (found.frames, found.metrics) == (4, ("psnr-y",))
    assert not narrow(load("quick"), anchors=[]).anchors


def test_missing_codecs_are_left_out_with_the_reason(monkeypatch):
    monkeypatch.setattr(anchors, "missing", lambda name: "not here" if name == "x264" else None)
    points, absent = plan(narrow(load("quick"), anchors=["x264", "x265"]))
    assert absent == {"x264": "not here"}
    assert {point.codec for point in points} == {"compact", "x265"}

"""The search for better anchors finds what is better and what is worse, and takes candidates apart rightly."""

from __future__ import annotations

import json

import pytest

from eval import anchor_search
from eval.rd import anchors
from gfvc.errors import GfvcError
from gfvc.video import VideoReader

from ..gfvc.media import DEMO

X264 = anchors.ANCHORS["x264"]


def test_candidates_add_replace_and_take_away():
    made = anchor_search.candidate(X264, "ref=7:qp=:crf={qp}:preset=slow:pix_fmt=yuv420p")
    assert made.pixel_format == "yuv420p"
    assert made.options == X264.options | {"preset": "slow"}
    before, after = (dict(entry.split("=", 1) for entry in one.parameters.split(":")) for one in (X264, made))
    assert after.pop("crf") == "{qp}"
    assert before.pop("qp") == "{qp}"
    assert after == before | {"ref": "7"}
    assert "crf=31" in anchors.describe(made, 31)
    assert anchor_search.candidate(X264, "") == X264
    with pytest.raises(GfvcError, match="'me' found, name=value expected"):
        anchor_search.candidate(X264, "ref=2:me")


def test_worse_settings_have_a_positive_rate_and_the_same_have_none(capsys):
    """Arithmetic coding is worth some percent; a refused setting is reported, and the rest goes on."""
    command = ["x264", "--clips", str(DEMO), "--frames", "8", "--qps", "48", "58", "--json"]
    assert anchor_search.main([*command, "--try", "cabac=1", "me=nonsense", "cabac=0"]) == 0
    printed = capsys.readouterr()
    same, refused, worse = map(json.loads, printed.out.splitlines())
    assert same["clips"][DEMO.stem]["ms-ssim-y"] == pytest.approx(0, abs=1e-9)
    assert refused["clips"] == {}
    assert "me=nonsense" in printed.err
    assert worse["clips"][DEMO.stem]["ms-ssim-y"] > 2


@pytest.mark.parametrize("name", [name for name in anchors.ANCHORS if not anchors.missing(name)])
def test_the_encoders_take_all_settings_of_the_anchors(name):
    """FFmpeg only warns of those that an encoder does not know."""
    anchor = anchors.ANCHORS[name]
    with VideoReader(DEMO) as video:
        pictures, info = [next(iter(video)).rgb] * 2, video.info
    anchor_search.curves(anchor, pictures, info, [anchor.max_qp], half_size=False)
    with pytest.raises(GfvcError, match="colour"):
        anchor_search.curves(
            anchor_search.candidate(anchor, "colour=7"), pictures, info, [anchor.max_qp], half_size=True
        )


def test_bad_files_are_one_line(tmp_path, capsys):
    assert anchor_search.main(["x264", "--clips", str(tmp_path / "no.mp4"), "--try", "ref=2"]) == 2
    error = capsys.readouterr().err
    assert "no.mp4" in error
    assert "Traceback" not in error

"""`python -m eval compare`: differences and their spread, of results made by hand."""

from __future__ import annotations

import json
import math

import pytest

from eval import __main__ as entry
from eval.rd import results
from gfvc.errors import GfvcError


def row(clip, point, kbps, ssim, gmsd=math.nan):
    texts = dict.fromkeys(("codec", "stream", "view"), "x")
    numbers = dict.fromkeys(results.COLUMNS, 1) | {"half_size": False}
    named = {"clip": clip, "curve": point.split("-qp")[0], "point": point, "kbps": kbps, "ssim-y": ssim, "gmsd-y": gmsd}
    return numbers | texts | named


def write(folder, rows, sha256="s"):
    folder.mkdir()
    summary = {"gfvc": "0", "commit": folder.name, "written": "then"}
    summary["clips"] = {entry["clip"]: {"sha256": sha256} for entry in rows}
    summary["conditions"] = {"bd": {"method": "pchip", "minimum_overlap": 0.25, "full_overlap": 0.75}}
    results.write(folder, results.Results(rows, summary), ["ssim-y", "gmsd-y"])
    return str(folder)


CURVE = [("c-qp1", 2.0, 0.8), ("c-qp2", 4.0, 0.9), ("c-qp3", 8.0, 0.95)]


@pytest.fixture
def folders(tmp_path):
    """Two clips; in B the first costs a tenth less, the second a tenth more, with a worse first SSIM."""
    a = [row(clip, *point, gmsd=0.1) for clip in ("p", "q") for point in CURVE]
    b = [row("p", name, 0.9 * kbps, ssim, 0.08) for name, kbps, ssim in CURVE]
    b += [row("q", name, 1.1 * kbps, ssim - 0.02 * (name == "c-qp1"), 0.09) for name, kbps, ssim in CURVE[:2]]
    return write(tmp_path / "A", a), write(tmp_path / "B", b)


def test_differences_and_spread(folders, capsys):
    assert entry.main(["compare", *folders, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    first, _, last = found["points"]
    assert (first["point"], first["kbps"]["clips"], last["kbps"]["clips"]) == ("c-qp1", 2, 1)
    assert (first["kbps"]["a"], first["kbps"]["b"]) == pytest.approx((2.0, 2.0))
    assert first["kbps"]["mean"] == pytest.approx(0)
    assert first["kbps"]["deviation"] == pytest.approx(10 * 2**0.5)
    assert (first["kbps"]["low"], first["kbps"]["high"]) == pytest.approx((-10, 10))
    assert first["ssim-y"]["mean"] == pytest.approx(-0.01)
    assert last["kbps"]["deviation"] is None
    assert found["only_in_a"] == ["q: c-qp3"]
    assert found["only_in_b"] == []


def test_bd_rate_per_clip(folders, capsys):
    entry.main(["compare", *folders, "--json"])
    found = json.loads(capsys.readouterr().out)
    ssim = next(line for line in found["bd_rate"] if line["metric"] == "ssim-y")
    assert ssim["low"] == pytest.approx(-10)
    assert (ssim["clips"], ssim["of"]) == (2, 2)
    # GMSD does not change along the curves: envelopes of one point have no BD-rate.
    assert next(line for line in found["bd_rate"] if line["metric"] == "gmsd-y")["mean"] is None


def test_text_says_better_and_worse(folders, capsys):
    assert entry.main(["compare", *folders]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  ssim-y") and line.endswith("worse") for line in lines)
    assert any(line.startswith("  gmsd-y") and line.endswith("better") for line in lines)
    assert any("only in A: q: c-qp3" in line for line in lines)


def test_a_folder_with_itself_shows_no_difference(folders, capsys):
    entry.main(["compare", folders[0], folders[0], "--json"])
    found = json.loads(capsys.readouterr().out)
    assert all(line["ssim-y"]["mean"] == 0 == line["kbps"]["high"] for line in found["points"])


def test_results_read_back_are_those_written(tmp_path):
    rows = [row("p", *CURVE[0])]
    write(tmp_path / "A", rows)
    (found,) = results.read(tmp_path / "A").rows
    assert math.isnan(found.pop("gmsd-y"))
    assert found == {key: value for key, value in rows[0].items() if key != "gmsd-y"}


def test_what_cannot_be_compared_is_one_line(folders, tmp_path, capsys):
    other = write(tmp_path / "C", [row("z", *CURVE[0])])
    changed = write(tmp_path / "D", [row("p", *CURVE[0])], sha256="t")
    for second, message in (
        (other, "no point of a clip"),
        (changed, "other content: p"),
        (str(tmp_path / "nothing"), "written by `python -m eval rd`"),
    ):
        assert entry.main(["compare", folders[0], second]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "A" / "points.csv").write_text("clip,curve\np,c\n")
    with pytest.raises(GfvcError, match="points.csv: damaged"):
        results.read(tmp_path / "A")

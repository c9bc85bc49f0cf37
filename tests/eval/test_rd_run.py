"""`python -m eval rd` from clips to results: rates are file sizes, means are means, and a killed run goes on."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import piq
import pytest
import torch

from eval import __main__ as entry
from eval.rd import schedule, work
from eval.rd.analysis import complexity
from eval.rd.metrics import METRICS
from gfvc.cli import main as gfvc
from gfvc.models.complexity import measure
from gfvc.models.registry import load_model
from gfvc.video import VideoReader

from ..gfvc.media import DEMO, ROOT, read_clip, write_clip

CONDITIONS = """
name = "tiny"
frames = 4
[gfvc]
families = ["compact"]
carriages = ["gfv", "hevc"]
key_qps = { gfv = [30, 50, 62], hevc = [40, 48] }
reference_qp = 50
[anchors.x264]
qps = [53, 58, 63]
half_qps = [60]
[anchors.vvenc]
qps = [50]
[metrics]
names = ["ms-ssim-y", "gmsd-y", "temporal-error-y", "lpips-vgg"]
"""
METRIC_NAMES = ["ms-ssim-y", "gmsd-y", "temporal-error-y"]


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Two clips of 192x192 in a folder, and conditions for them."""
    folder = tmp_path_factory.mktemp("rd")
    (folder / "clips" / "id1").mkdir(parents=True)
    pictures = read_clip(DEMO, 40)
    for name, first in (("id1/a.mp4", 0), ("b.mp4", 20)):
        write_clip(folder / "clips" / name, [picture[40:232, 32:224] for picture in pictures[first : first + 10 : 2]])
    (folder / "tiny.toml").write_text(CONDITIONS)
    return folder


def arguments(material, out, *more):
    places = ["--clips", str(material / "clips"), "--out", str(out), "--conditions", str(material / "tiny.toml")]
    return ["rd", *places, "--no-fetch", "-q", *more]


def here(tasks, workers=None, do=work.run):
    """The scheduler without processes."""
    for name, task in tasks:
        yield name, schedule._attempt(do, task)


@pytest.fixture(scope="module")
def out(material, tmp_path_factory):
    """A finished run, vvenc and weights missing, with its report."""
    folder = tmp_path_factory.mktemp("out") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GFVC_CACHE", str(material / "empty"))
        patch.setattr("eval.rd.anchors.missing", lambda name: "not installed" if name == "vvenc" else None)
        patch.setattr(schedule, "local", here)
        assert entry.main(arguments(material, folder)) == 0
    return folder


@pytest.fixture(scope="module")
def rows(out):
    with (out / "points.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_point_of_every_clip_is_there(rows):
    assert len(rows) == 2 * (3 + 2 + 4)
    assert {row["clip"] for row in rows} == {"id1/a", "b"}
    assert {row["curve"] for row in rows} == {"gfvc-compact", "gfvc-compact-hevc", "x264"}


def test_rates_are_file_sizes(out, rows):
    for row in rows:
        size = (out / row["stream"]).stat().st_size
        assert int(row["size_bytes"]) == size
        assert int(row["pictures"]) == 4
        assert float(row["kbps"]) == pytest.approx(size * 8 / 1000 / (4 / 25), rel=1e-6)
        if row["curve"] == "gfvc-compact":
            parts = sum(float(row[name]) for name in ("kbps_key", "kbps_parameters", "kbps_overhead"))
            assert parts == pytest.approx(float(row["kbps"]), rel=1e-3)


def test_values_are_those_of_piq_on_what_the_decoder_shows(material, out, rows):
    """The stream of one point, decoded by gfvc's own command, against the clip."""
    row = next(row for row in rows if row["point"] == "gfvc-compact-qp50" and row["clip"] == "b")
    decoded = material / "b.rgb"
    assert gfvc(["decode", str(out / row["stream"]), str(decoded)]) == 0
    shown = np.frombuffer(decoded.read_bytes(), np.uint8).reshape(-1, 192, 192, 3)
    with VideoReader(material / "clips" / "b.mp4") as video:
        original = np.stack([picture.rgb for picture in video])[:4]
    luma = [
        torch.from_numpy(stack.astype(np.float64) @ [0.299, 0.587, 0.114]).float()[:, None]
        for stack in (original, shown)
    ]
    assert float(row["ms-ssim-y"]) == pytest.approx(float(piq.multi_scale_ssim(*luma, data_range=255)), rel=1e-4)
    assert float(row["gmsd-y"]) == pytest.approx(float(piq.gmsd(*luma, data_range=255)), rel=1e-4)
    change = (luma[1].diff(dim=0) - luma[0].diff(dim=0)).abs().mean()
    assert float(row["temporal-error-y"]) == pytest.approx(float(change), rel=1e-4)


def test_missing_weights_and_codecs_are_said_and_nothing_stands_in(out, rows):
    summary = json.loads((out / "summary.json").read_text())
    assert "vgg16-397923af.pth not available: fetch https://" in summary["metrics_left_out"]["lpips-vgg"]
    assert all(row["lpips-vgg"] == "" for row in rows)
    assert summary["codecs_left_out"] == {"vvenc": "not installed"}
    page = (out / "report.html").read_text()
    assert "vgg16-397923af.pth not available" in page
    assert "VVenC (VVC): not installed" in page


def test_summary_says_how_it_was_made(out):
    summary = json.loads((out / "summary.json").read_text())
    assert summary["conditions"]["gfvc"]["key_qps"]["gfv"] == [30, 50, 62]
    assert "--key-qp 50" in summary["points"]["gfvc-compact-qp50"]
    assert "bframes=0" in summary["points"]["x264-half-qp60"]
    assert {"torch", "piq", "bjontegaard"} <= set(summary["versions"])
    assert set(summary["clips"]) == {"id1/a", "b"}
    assert summary["failures"] == {}


def test_cost_of_the_networks_is_counted_or_that_of_their_card(out):
    """The clips here are not of the card's size; zeros that fill up a convolution are counted by some versions only."""
    summary = json.loads((out / "summary.json").read_text())
    model = load_model("compact").model
    found = {row["curve"]: row for row in summary["analysis"]["speed"]}
    assert measure(model, 192).items() <= found["gfvc-compact"].items()
    assert "generate_gmac" not in found["x264"]
    with_card = complexity("gfvc-compact", {"codec": "compact", "width": 320, "height": 256})
    assert with_card == pytest.approx(measure(model, 256), abs=0.02)


def test_analysis_agrees_with_bjontegaard_called_by_hand(out, rows):
    """The BD-rate of PSNR of our two carriages' curves against x264, from points.csv alone."""
    import bjontegaard

    summary = json.loads((out / "summary.json").read_text())
    checked = 0
    for line in summary["analysis"]["bd_rate"]:
        curves = []
        for curve in (line["anchor"], line["test"]):
            points = {}
            for row in (row for row in rows if row["curve"] == curve):
                points.setdefault(row["point"], []).append((float(row["kbps"]), float(row[line["metric"]])))
            sign = 1 if METRICS[line["metric"]].higher else -1
            means = sorted((np.mean(values, axis=0) * [1, sign]).tolist() for values in points.values())
            best = -math.inf
            front = []
            for point in means:
                if point[1] > best:
                    front.append(point)
                    best = point[1]
            curves.append(front)
        if line["percent"] is None:
            continue
        lists = [list(values) for front in curves for values in zip(*front, strict=True)]
        by_hand = bjontegaard.bd_rate(*lists, method="pchip", require_matching_points=False, min_overlap=0)
        assert line["percent"] == pytest.approx(by_hand, rel=1e-6)
        checked += 1
    assert len(summary["analysis"]["bd_rate"]) == 2 * len(METRIC_NAMES)
    assert checked or all(row["verdict"] for row in summary["analysis"]["bd_rate"])


def test_plots_for_papers(out):
    for name in METRIC_NAMES:
        assert (out / "plots" / f"rd-{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (out / "plots" / f"rd-{name}-clips.pdf").read_bytes().startswith(b"%PDF")
    assert (out / "plots" / "equal-quality-gfvc-compact.pdf").exists()


def refuse(*_):
    raise AssertionError("work that was done already")


def test_nothing_is_done_twice(material, out, monkeypatch, capsys):
    before = (out / "points.csv").read_bytes()
    monkeypatch.setattr(schedule, "local", refuse)
    monkeypatch.setattr("eval.rd.anchors.missing", lambda name: "not installed" if name == "vvenc" else None)
    monkeypatch.setenv("GFVC_CACHE", str(material / "empty"))
    assert entry.main(arguments(material, out, "--no-report")) == 0
    assert "18 of 18 points are in" in capsys.readouterr().err
    assert (out / "points.csv").read_bytes() == before


def test_a_new_metric_needs_no_new_coding(material, out, monkeypatch):
    monkeypatch.setattr(schedule, "local", here)
    monkeypatch.setattr(work, "code", refuse)
    options = ["--metrics", "psnr-y", "psnr-yuv", "--anchors", "x264", "--carriages", "gfv", "--no-report"]
    assert entry.main(arguments(material, out.parent / "results", *options)) == 0


def test_other_content_is_coded_anew(material, out, tmp_path, monkeypatch):
    """A clip that changed under the same name."""
    done = []

    def note(tasks, workers=None, do=work.run):
        for name, task in tasks:
            done.append(task.clip)
            yield name, work.Outcome({"size_bytes": 1}, {}, {})

    monkeypatch.setattr(schedule, "local", note)
    clips = tmp_path / "clips"
    (clips / "id1").mkdir(parents=True)
    (clips / "id1" / "a.mp4").write_bytes((material / "clips" / "id1" / "a.mp4").read_bytes())
    write_clip(clips / "b.mp4", read_clip(material / "clips" / "b.mp4")[::-1])
    command = arguments(material, out, "--anchors", "--carriages", "gfv", "--metrics", "psnr-yuv", "--no-report")
    command[2] = str(clips)
    monkeypatch.setattr("eval.rd.command.finish", lambda *_: 0)
    monkeypatch.setattr("eval.rd.command.Run.rows", lambda *_: [])
    monkeypatch.setattr("eval.rd.cache.Cache.store", lambda *_: None)
    assert entry.main(command) == 0
    assert set(done) == {"b"}


def test_a_killed_run_goes_on(material, tmp_path):
    """Killed without warning after its first points; the second run does the rest only, and no half file is left."""
    out = tmp_path / "results"
    options = ("--anchors", "x264", "--carriages", "gfv", "--metrics", "psnr-yuv", "--frames", "2", "--no-report")
    command = [sys.executable, "-m", "eval", *arguments(material, out, *options)]
    with subprocess.Popen(
        [*command, "--jobs", "1"], cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 120
        while len(list(out.glob("cache/*/coded.json"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    done = {path.parent.name for path in out.glob("cache/*/coded.json")}
    assert 2 <= len(done) < 14
    assert not (out / "points.csv").exists()
    again = subprocess.run([*command, "--jobs", "2"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"{len(done)} of 14 points are in" in again.stderr
    with (out / "points.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    assert all((out / row["stream"]).stat().st_size == int(row["size_bytes"]) for row in rows)


def test_one_failure_does_not_end_the_run(material, tmp_path, monkeypatch, capsys):
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "good.mp4").write_bytes((material / "clips" / "b.mp4").read_bytes())
    (clips / "bad.mp4").write_bytes(b"no video" * 100)
    monkeypatch.setattr(schedule, "local", here)
    command = arguments(material, tmp_path / "out", "--anchors", "x264", "--metrics", "psnr-y", "--frames", "2")
    command[2] = str(clips)
    assert entry.main([*command, "--carriages", "gfv"]) == 1
    captured = capsys.readouterr()
    assert "failed: bad: x264-qp53: VideoError" in captured.err
    assert (tmp_path / "out" / "report.html").exists()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert len(summary["failures"]) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--clips", "nowhere"], "nowhere: not a folder"),
        (["--conditions", "nothing"], "default"),
        (["--weights-dir", "nowhere"], "no such folder"),
    ],
)
def test_bad_options_are_one_line(material, tmp_path, options, message, capsys):
    assert entry.main([*arguments(material, tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "Traceback" not in error


def test_unknown_commands_are_one_line(capsys):
    assert entry.main(["rdd"]) == 2
    assert "one of rd, compare expected" in capsys.readouterr().err

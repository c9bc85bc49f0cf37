"""The subcommands of `gfvc` when all is well."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gfvc import __version__
from gfvc.cli import COMMANDS, main

from .command import environment, gfvc
from .media import read_clip, read_times

STABLE = {
    "pictures",
    "key_pictures",
    "duration_s",
    "size_bytes",
    "kbps_total",
    "kbps_key",
    "kbps_parameters",
    "kbps_overhead",
    "width",
    "height",
    "family",
    "model",
}


def result(*arguments, **options):
    """What a successful command prints as JSON."""
    done = gfvc(*arguments, **options)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return json.loads(done.stdout)


def printed(capfd, *arguments):
    """The same of a command called as a function, which is faster."""
    assert main([str(argument) for argument in arguments]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return json.loads(out)


@pytest.fixture(scope="module")
def stream(small_stream, tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "small.gfv"
    path.write_bytes(small_stream)
    return path


def test_encode_info_and_decode_agree(tmp_path, small_clip):
    target, video = tmp_path / "a.gfv", tmp_path / "a.mp4"
    summary = result("encode", small_clip, target, "--json", "--key-interval", 5, "--family", "compact")
    assert {name: summary.pop(name) for name in ("backend", "device")} == {"backend": "torch", "device": "cpu"}
    assert set(summary) == STABLE
    assert summary["size_bytes"] == target.stat().st_size
    assert (summary["pictures"], summary["key_pictures"], summary["family"]) == (12, 3, "compact")
    report = result("info", target, "--json")
    assert {name: report[name] for name in STABLE} == summary
    assert report["error"] is None
    assert [group["first_picture"] for group in report["groups"]] == [0, 5, 10]
    assert sum(unit["size_bytes"] for unit in report["units"]) + report["header_bytes"] == summary["size_bytes"]
    assert result("decode", target, video, "--json") == {"pictures": 12, "backend": "torch", "device": "cpu"}
    assert len(read_clip(video)) == 12
    assert read_times(video) == read_times(small_clip)


def test_options_reach_the_stream(tmp_path, small_clip, capfd):
    target = tmp_path / "a.gfv"
    options = "--key-codec hevc --chroma 444 --run 1 --key-qp 40 -q"
    assert main(["encode", str(small_clip), str(target), *options.split()]) == 0
    assert capfd.readouterr() == ("", "")
    report = result("info", target, "--json")
    assert (report["key_codec"], report["chroma"]) == ("hevc", "444")
    assert [unit["pictures"] for unit in report["units"] if unit["type"] == "parameters"] == [1] * 11


def test_info_in_words_and_unit_by_unit(stream):
    done = gfvc("info", stream, "--units")
    assert done.returncode == 0
    text = done.stdout.decode()
    for part in ("12 pictures of 64x64", "kbit/s", "family compact", "key pictures: av1 420", "group 0: picture 0"):
        assert part in text
    assert text.count("\nbyte ") == len(result("info", stream, "--json")["units"])


def test_check_tells_conforming_from_damaged(tmp_path, stream):
    good = gfvc("check", stream)
    assert good.returncode == 0
    assert b"conforming; 6 units, 12 pictures" in good.stdout
    damaged = bytearray(stream.read_bytes())
    damaged[-12] ^= 1
    (tmp_path / "bad.gfv").write_bytes(damaged)
    bad = gfvc("check", tmp_path / "bad.gfv", "--json")
    assert bad.returncode == 1
    verdict = json.loads(bad.stdout)
    assert verdict["conforming"] is False
    assert {"clause", "offset", "message"} == set(verdict["violations"][0])


def test_models_lists_families_and_cards(capfd):
    listed = printed(capfd, "models", "--json", "--size", 64)
    assert [family["family"] for family in listed["families"]] == ["keypoints2d", "compact"]
    assert {card["name"] for card in listed["models"]} >= {family["default_model"] for family in listed["families"]}


def test_doctor_finds_everything_that_the_defaults_need(capfd):
    found = printed(capfd, "doctor", "--json")
    assert found["problems"] == []
    assert found["gfvc"] == __version__
    assert found["key_codecs"]["av1"]["encoder"]
    assert None not in found["models"].values()


def test_demo_writes_stream_clip_and_comparison(tmp_path, small_clip, capfd):
    done = printed(capfd, "demo", "--input", small_clip, "--out", tmp_path / "out", "--json")
    assert set(done) == STABLE | {"stream", "decoded", "side_by_side"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "small-side-by-side.mp4",
        "small.gfv",
        "small.mp4",
    ]
    sheet = read_clip(tmp_path / "out" / "small-side-by-side.mp4")
    assert [picture.shape for picture in sheet] == [(64, 192, 3)] * 12


def test_version_and_help_name_all_commands():
    assert gfvc("--version").stdout.decode() == f"gfvc {__version__}\n"
    text = gfvc("--help").stdout.decode()
    for name in COMMANDS:
        assert f"  {name} " in text


@pytest.mark.parametrize(("command", "default"), [("encode", "compact"), ("train", "128"), ("decode", "4")])
def test_help_of_a_command_shows_its_options_and_defaults(command, default, capfd):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"(default: {default})" in " ".join(capfd.readouterr().out.split())


@pytest.mark.parametrize(
    "command", ["info STREAM", "check STREAM", "check STREAM --trace", "convert STREAM - --json --carriage gfv"]
)
def test_reading_a_stream_needs_neither_torch_nor_ffmpeg(command, stream):
    code = (
        "import sys; from gfvc.cli import main; code = main(sys.argv[1:]); "
        "loaded = {'torch', 'av', 'numpy', 'safetensors'} & set(sys.modules); sys.exit(str(loaded) if loaded else code)"
    )
    arguments = [sys.executable, "-c", code, *command.replace("STREAM", str(stream)).split()]
    done = subprocess.run(arguments, capture_output=True, env=environment(), check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert b"12 pictures" in done.stdout or b'"pictures": 12' in done.stderr

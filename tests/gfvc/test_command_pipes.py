"""`-` on both sides, closed pipes, full disks, interrupts."""

from __future__ import annotations

import json
import resource
import signal
import time

import pytest

from gfvc import encode

from .command import error_line, gfvc, running
from .media import DEMO, read_clip, write_lossless

FULL = "/dev/full"


@pytest.fixture(scope="module")
def matroska(small, tmp_path_factory):
    """A clip that needs no seeking."""
    return write_lossless(tmp_path_factory.mktemp("pipe") / "in.mkv", small)


def test_stream_through_pipes_is_that_of_files(tmp_path, matroska):
    piped = gfvc("encode", "-", "-", "--json", given=matroska.read_bytes())
    assert piped.returncode == 0
    encode(matroska, tmp_path / "a.gfv")
    assert piped.stdout == (tmp_path / "a.gfv").read_bytes()
    # Standard output carries the stream, so the summary is on the other one.
    assert json.loads(piped.stderr)["size_bytes"] == len(piped.stdout)


def test_decoding_through_pipes_gives_matroska(tmp_path, small_stream):
    piped = gfvc("decode", "-", "-", given=small_stream)
    assert (piped.returncode, piped.stderr) == (0, b"")
    (tmp_path / "a.mkv").write_bytes(piped.stdout)
    assert len(read_clip(tmp_path / "a.mkv")) == 12


def test_info_and_check_read_pipes(small_stream):
    assert json.loads(gfvc("info", "-", "--json", given=small_stream).stdout)["pictures"] == 12
    assert gfvc("check", "-", given=small_stream).returncode == 0


def test_damaged_pipe_is_named_as_such(small_stream):
    done = gfvc("info", "-", given=small_stream[:-5])
    assert done.returncode == 2
    done = gfvc("decode", "-", "-", given=b"nothing of ours")
    assert "standard input: byte 0" in error_line(done)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_reader_that_goes_away_is_no_crash(tmp_path, command, demo, small_stream):
    """As `gfvc ... - | head -c 1` does."""
    source = tmp_path / "in"
    if command == "encode":
        write_lossless(tmp_path / "in.mkv", demo).rename(source)
    else:
        source.write_bytes(small_stream)
    with running(command, source, "-", "-q") as process:
        process.stdout.close()
        said = process.stderr.read().decode()
        code = process.wait(60)
    assert said == ""
    assert code == 141


@pytest.mark.parametrize("arguments", [("encode", "in.mkv", "-"), ("decode", "a.gfv", "-"), ("info", "a.gfv")])
def test_full_disk_behind_a_pipe_is_one_line(tmp_path, matroska, small_stream, arguments):
    (tmp_path / "in.mkv").write_bytes(matroska.read_bytes())
    (tmp_path / "a.gfv").write_bytes(small_stream)
    with open(FULL, "wb") as full:
        done = gfvc(*arguments, cwd=tmp_path, stdout=full)
    assert "No space left on device" in error_line(done)
    assert done.returncode == 2


def limit_file_size() -> None:
    """A disk with room for 200 bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))


@pytest.mark.parametrize(
    "arguments",
    [("encode", "in.mkv", "out.gfv"), ("decode", "a.gfv", "out.mp4")],
    ids=["encode", "decode"],
)
def test_file_that_cannot_be_finished_is_one_line_and_is_not_left(tmp_path, matroska, small_stream, arguments):
    (tmp_path / "in.mkv").write_bytes(matroska.read_bytes())
    (tmp_path / "a.gfv").write_bytes(small_stream)
    done = gfvc(*arguments, cwd=tmp_path, prepare=limit_file_size)
    error_line(done)
    assert done.returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gfv", "in.mkv"]


def heed_interrupts():
    """A shell that starts the tests in the background has them ignore interrupts, and their children with them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupt_leaves_nothing_and_says_so(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    with running("encode", DEMO, target / "a.gfv", "--run", 1, prepare=heed_interrupts) as process:
        started = time.monotonic()
        while not list(target.glob(".*.partial")) and process.poll() is None and time.monotonic() < started + 60:
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
        code = process.wait(60)
    assert (code, said) == (130, "gfvc: interrupted\n")
    assert list(target.iterdir()) == []

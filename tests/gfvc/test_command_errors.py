"""What can go wrong gives one line, the right exit code, and leaves no file."""

from __future__ import annotations

import dataclasses
import io
from typing import NamedTuple

import numpy as np
import pytest

from bitstream import StreamReader
from gfvc.cli import main

from .command import error_line, gfvc, only_line
from .media import write_clip, write_sound


class Case(NamedTuple):
    """A command in a folder that holds the files of `folder`; ``said`` must stand in its error."""

    arguments: str
    said: str
    code: int = 2


CASES = {
    "encode a missing file": Case("encode none.mp4 new.gfv", "none.mp4: no such file"),
    "encode a text": Case("encode text.txt new.gfv", "text.txt"),
    "encode sound": Case("encode sound.wav new.gfv", "no video stream"),
    "encode pictures too small": Case("encode tiny.mp4 new.gfv", "32x32"),
    "encode onto an existing file": Case("encode small.mp4 old.gfv", "old.gfv: exists; use --force"),
    "encode onto a folder": Case("encode small.mp4 folder", "folder: is a folder"),
    "encode into no folder": Case("encode small.mp4 nowhere/new.gfv", "nowhere: no such folder"),
    "encode at a QP off the range": Case("encode small.mp4 new.gfv --key-qp 64", "--key-qp"),
    "encode at a QP the codec lacks": Case("encode small.mp4 new.gfv --key-qp 60 --key-codec hevc", "0..51"),
    "encode with a word for a number": Case("encode small.mp4 new.gfv --run many", "'many' is not a whole number"),
    "encode with no number for a number": Case("encode small.mp4 new.gfv --dead-zone nan", "--dead-zone nan"),
    "encode with an unknown codec": Case("encode small.mp4 new.gfv --key-codec mpeg2", "'mpeg2'"),
    "encode with an unknown option": Case("encode small.mp4 new.gfv --fast", "--fast"),
    "encode in a chroma format the codec lacks": Case("encode small.mp4 new.gfv --chroma 444", "hevc, avc"),
    "encode without an output": Case("encode small.mp4", "output"),
    "encode with missing weights": Case("encode small.mp4 new.gfv --weights none.safetensors", "none.safetensors"),
    "encode with weights that are none": Case("encode small.mp4 new.gfv --weights text.txt", "not a safetensors file"),
    "decode a missing file": Case("decode none.gfv new.mp4", "none.gfv: No such file"),
    "decode a video": Case("decode small.mp4 new.mp4", "not a .gfv file"),
    "decode an empty file": Case("decode empty.gfv new.mp4", "empty.gfv: byte 0"),
    "decode a folder": Case("decode folder new.mp4", "folder"),
    "decode a damaged first unit": Case("decode damaged.gfv new.mp4", "damaged.gfv: byte "),
    "decode a stream of another model": Case("decode other.gfv new.mp4", "future-9"),
    "decode to an unknown suffix": Case("decode small.gfv new.txt", "unknown suffix '.txt'"),
    "decode onto an existing file": Case("decode small.gfv old.mp4", "old.mp4: exists; use --force"),
    "decode onto a folder": Case("decode small.gfv folder.mp4", "folder.mp4: is a folder"),
    "info of a missing file": Case("info none.gfv", "none.gfv: No such file"),
    "info of a video": Case("info small.mp4", "not a .gfv file"),
    "info of a cut stream": Case("info cut.gfv", "cut.gfv: byte "),
    "check a missing file": Case("check none.gfv", "none.gfv"),
    "check a video": Case("check small.mp4", "not a .gfv file"),
    "unknown command": Case("enkode small.mp4 new.gfv", "enkode"),
    "no command": Case("", "COMMAND"),
    "models at no size": Case("models --size 0", "--size"),
}
IN_A_PROCESS = ("encode a missing file", "decode a damaged first unit", "info of a cut stream", "unknown command")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small, small_stream):
    """Everything that the cases name."""
    path = tmp_path_factory.mktemp("cases")
    write_clip(path / "small.mp4", small[:2])
    write_clip(path / "tiny.mp4", [np.zeros((32, 32, 3), np.uint8)] * 2)
    write_sound(path / "sound.wav")
    (path / "text.txt").write_text("no video\n" * 100)
    (path / "folder").mkdir()
    (path / "folder.mp4").mkdir()
    for name, data in {
        "old.gfv": b"mine",
        "old.mp4": b"mine",
        "empty.gfv": b"",
        "small.gfv": small_stream,
        "cut.gfv": small_stream[:-20],
        "damaged.gfv": small_stream[:80] + bytes((small_stream[80] ^ 1,)) + small_stream[81:],
        "other.gfv": other_model(small_stream),
    }.items():
        (path / name).write_bytes(data)
    return path


def other_model(stream: bytes) -> bytes:
    """A stream whose header names a model that nobody has."""
    header = StreamReader(io.BytesIO(stream)).header
    return dataclasses.replace(header, model="future-9").to_bytes()


@pytest.fixture
def unchanged(folder, monkeypatch):
    """Run in the folder of cases; nothing in it may change, and nothing may stay that was not there."""
    monkeypatch.chdir(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    yield
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    left = set(after) - set(before)
    for path in left:
        path.rmdir() if path.is_dir() else path.unlink()
    assert after == before


def exit_code(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", CASES)
def test_one_line_says_what_is_wrong(name, capfd):
    """Called as a function, for speed; `test_a_process_fails_alike` makes sure that it comes to the same."""
    assert exit_code(CASES[name].arguments.split()) == CASES[name].code
    assert CASES[name].said in only_line(capfd.readouterr().err)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", IN_A_PROCESS)
def test_a_process_fails_alike(folder, name):
    done = gfvc(*CASES[name].arguments.split(), cwd=folder)
    assert CASES[name].said in error_line(done)
    assert done.returncode == CASES[name].code


@pytest.mark.parametrize("arguments", ["--clips nowhere", "--clips folder", "--clips folder --size 100"])
def test_training_without_clips_is_one_line(folder, tmp_path, arguments, capfd, monkeypatch):
    monkeypatch.chdir(folder)
    assert exit_code(["train", "--run", str(tmp_path / "run"), *arguments.split()]) == 2
    assert arguments.split()[-1] in only_line(capfd.readouterr().err)


def test_damaged_stream_keeps_what_came_before(tmp_path, small_stream, capfd):
    (tmp_path / "cut.gfv").write_bytes(small_stream[:-10])
    assert main(["decode", str(tmp_path / "cut.gfv"), str(tmp_path / "out.rgb")]) == 2
    assert "cut.gfv: byte " in only_line(capfd.readouterr().err)
    assert (tmp_path / "out.rgb").stat().st_size == 9 * 64 * 64 * 3


def test_force_overwrites(tmp_path, small_stream):
    (tmp_path / "a.gfv").write_bytes(small_stream)
    (tmp_path / "out.rgb").write_bytes(b"old")
    assert main(["decode", str(tmp_path / "a.gfv"), str(tmp_path / "out.rgb"), "--force"]) == 0
    assert (tmp_path / "out.rgb").stat().st_size == 12 * 64 * 64 * 3

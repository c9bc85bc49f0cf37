"""VVC key pictures: decoded by FFmpeg, encoded by the `vvencapp` program where there is one."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from bitstream import Colour
from bitstream.nal import PARAMETER_SETS, PICTURE_TYPES, nal_type, pack_nal_units, split_annex_b, unpack_nal_units
from gfvc import KeyCodecError
from gfvc.key_picture import CODECS, CodedPicture, KeyPictureCodec, _installed, encode_with_vvenc

from .media import SHARED

STREAMS = SHARED / "conformance" / "vvc"
SLICES = range(11)
IDR = (7, 8)
no_libvvenc = pytest.mark.skipif(_installed(("libvvenc",), "w") is not None, reason="this FFmpeg has libvvenc")

# A stand-in for vvencapp: notes its arguments and its input's size, and writes the stream it was given.
PROGRAM = """#!{python}
import json, os, shutil, sys
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with open(os.path.join({folder!r}, "call.json"), "w") as out:
    json.dump({{"options": options, "bytes": os.path.getsize(options["-i"])}}, out)
{body}
"""


def install(folder: Path, body: str) -> Path:
    program = folder / "vvencapp"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder), body=body))
    program.chmod(0o755)
    return program


def canned_stream() -> bytes:
    """Made up NAL units in the order of vvencapp: delimiter, SPS, PPS, prefix SEI, IDR slice, suffix SEI."""
    units = [bytes((0, kind << 3 | 1, 0x55, 0xAA, kind)) for kind in (20, 15, 16, 23, 8, 24)]
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def first_picture(path: Path) -> tuple[CodedPicture, int] | None:
    """The first picture of a stream if it is a lone IDR slice, and the number of its slices."""
    units = split_annex_b(path.read_bytes())
    kinds = [nal_type("vvc", unit) for unit in units]
    start = next(index for index, kind in enumerate(kinds) if kind in SLICES)
    if kinds[start] not in IDR or (start + 1 < len(kinds) and kinds[start + 1] in SLICES):
        return None
    until = units[: start + 1]
    sets = [unit for unit in until if nal_type("vvc", unit) in PARAMETER_SETS["vvc"]]
    coded = [unit for unit in until if nal_type("vvc", unit) in PICTURE_TYPES["vvc"]]
    return CodedPicture(pack_nal_units(sets), pack_nal_units(coded)), start


@pytest.mark.skipif(not STREAMS.is_dir(), reason="the conformance streams are not here")
def test_intra_picture_of_a_conformance_stream_is_decoded():
    decoded = 0
    for entry in json.loads((STREAMS.parent / "manifest.json").read_text()):
        if entry["codec"] != "vvc" or (found := first_picture(STREAMS.parent / entry["file"])) is None:
            continue
        width, height = map(int, entry["picture_size"].split("x"))
        shown = KeyPictureCodec("vvc", width, height, Colour()).decode(found[0])
        assert shown.shape == (height, width, 3)
        decoded += 1
    assert decoded


@no_libvvenc
def test_without_encoder_the_error_names_vvencapp_and_a_way_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KeyCodecError, match=r"vvencapp on the PATH.*--key-codec"):
        KeyPictureCodec("vvc", 64, 64, Colour()).encode(np.zeros((64, 64, 3), np.uint8), 36)


@no_libvvenc
def test_program_on_the_path_encodes_and_its_extras_are_dropped(monkeypatch, tmp_path):
    (tmp_path / "canned.266").write_bytes(canned_stream())
    install(tmp_path, f'shutil.copy({str(tmp_path / "canned.266")!r}, options["-o"])')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    keys = KeyPictureCodec("vvc", 67, 101, Colour())
    coded = keys.encode(np.zeros((101, 67, 3), np.uint8), 33)
    assert [nal_type("vvc", unit) for unit in unpack_nal_units(coded.config)] == [15, 16]
    assert [nal_type("vvc", unit) for unit in unpack_nal_units(coded.payload)] == [8]
    called = json.loads((tmp_path / "call.json").read_text())
    assert called["options"]["-s"] == "68x102"
    assert called["bytes"] == 68 * 102 * 3 // 2


def test_program_gets_one_picture_and_our_settings(tmp_path):
    (tmp_path / "canned.266").write_bytes(canned_stream())
    program = install(tmp_path, f'shutil.copy({str(tmp_path / "canned.266")!r}, options["-o"])')
    frame = av.VideoFrame.from_ndarray(np.zeros((144, 64), np.uint8), format="yuv420p")
    assert encode_with_vvenc(frame, 40, str(program)) == canned_stream()
    called = json.loads((tmp_path / "call.json").read_text())
    options = called["options"]
    expected = {"-s": "64x96", "-c": "yuv420", "-f": "1", "-q": "40", "--qpa": "0", "-t": "1"}
    assert {name: options[name] for name in expected} == expected
    assert called["bytes"] == 64 * 96 * 3 // 2
    # Its files are gone afterwards.
    assert not Path(options["-i"]).exists()
    assert not Path(options["-o"]).exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [("sys.exit('no such preset')", "exit code 1: no such preset"), ("sys.exit(0)", "exit code 0")],
    ids=["fails", "writes nothing"],
)
def test_program_that_fails_is_named_with_its_last_words(tmp_path, body, said):
    program = install(tmp_path, body)
    frame = av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), format="yuv420p")
    with pytest.raises(KeyCodecError, match=said) as caught:
        encode_with_vvenc(frame, 40, str(program))
    assert str(program) in str(caught.value)


def test_qp_range_is_that_of_vvc():
    with pytest.raises(KeyCodecError, match=f"0..{CODECS['vvc'].max_qp}"):
        KeyPictureCodec("vvc", 64, 64, Colour()).encode(np.zeros((64, 64, 3), np.uint8), 64)

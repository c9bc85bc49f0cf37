"""The anchors: playable, bare, low delay, and honest about what is missing."""

from __future__ import annotations

import io
import shutil

import av
import numpy as np
import pytest

from bitstream.nal import nal_type, split_annex_b
from bitstream.obu import parse_obus
from eval.rd import anchors
from eval.rd.scaling import half
from gfvc.errors import GfvcError
from gfvc.video import VideoReader

from ..gfvc.media import DEMO, SHARED, read_clip, scaled

HERE = [name for name in anchors.ANCHORS if not anchors.missing(name)]
COUNT = 6


@pytest.fixture(scope="module")
def info():
    with VideoReader(DEMO) as video:
        return video.info.__class__(128, 128, video.info.time_base, video.info.picture_ticks, video.info.colour)


@pytest.fixture(scope="module")
def pictures():
    return [scaled(picture, 128, 128) for picture in read_clip(DEMO, COUNT)]


@pytest.fixture(scope="module", params=HERE)
def coded(request, pictures, info):
    """(anchor, its highest quantiser's file at full and half size, a middle one's)."""
    name = request.param
    top = anchors.ANCHORS[name].max_qp
    return name, *(
        anchors.encode(anchors.ANCHORS[name], pictures, info, qp, half_size=small)
        for qp, small in ((top, False), (top, True), (top - 15, False))
    )


def error(pictures, decoded):
    return np.mean([(a.astype(float) - b) ** 2 for a, b in zip(pictures, decoded, strict=True)])


def test_decoded_pictures_are_those_that_went_in(coded, pictures, info):
    name, coarse, small, fine = coded
    decoded = [list(anchors.decode(anchors.ANCHORS[name], data, info)) for data in (coarse, small, fine)]
    assert all(picture.shape == (128, 128, 3) for clip in decoded for picture in clip)
    assert len(fine) > len(coarse) > len(small)
    assert error(pictures, decoded[2]) < error(pictures, decoded[0]) < 1500
    assert error(pictures, decoded[1]) < 2500


def test_no_picture_depends_on_a_later_one(coded, pictures, info):
    """What the encoder writes for the first pictures stays the same, whatever follows."""
    name, coarse, _, _ = coded
    shorter = anchors.encode(anchors.ANCHORS[name], pictures[:3], info, anchors.ANCHORS[name].max_qp, half_size=False)
    assert len(shorter) > 50
    assert coarse.startswith(shorter)


def test_nothing_is_wasted_on_headers(coded):
    name, coarse, _, _ = coded
    if name == "svtav1":
        kinds = [kind for kind, _ in parse_obus(coarse)]
        assert kinds == [1] + [6] * COUNT
        return
    kinds = [nal_type(anchors.ANCHORS[name].codec, unit) for unit in split_annex_b(coarse)]
    sets = {"avc": {7, 8}, "hevc": {32, 33, 34}, "vvc": {14, 15, 16}}[anchors.ANCHORS[name].codec]
    assert sorted(kind for kind in kinds if kind in sets) == sorted(sets - {14})
    assert len(kinds) == len(sets - {14}) + COUNT
    assert b"\0\0\0\1" not in coarse


@pytest.mark.parametrize("name", [name for name in HERE if name != "svtav1"])
def test_any_player_reads_the_file(name, pictures, info):
    data = anchors.encode(anchors.ANCHORS[name], pictures, info, 40, half_size=False)
    with av.open(io.BytesIO(data)) as container:
        assert sum(1 for _ in container.decode(video=0)) == COUNT


def test_svtav1_goes_below_its_usual_range(pictures, info):
    if "svtav1" not in HERE:
        pytest.skip("this FFmpeg build has no libsvtav1")
    sizes = [len(anchors.encode(anchors.ANCHORS["svtav1"], pictures, info, qp, half_size=False)) for qp in (63, 66, 70)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_half_sizes_are_even():
    assert [half(side) for side in (256, 258, 260, 64, 1024)] == [128, 128, 130, 64, 512]


def test_odd_sizes_are_an_error_that_says_what_to_do(pictures, info):
    odd = info.__class__(127, 128, info.time_base, info.picture_ticks, info.colour)
    with pytest.raises(GfvcError, match="127x128.*even"):
        anchors.encode(anchors.ANCHORS["x264"], [picture[:, :127] for picture in pictures], odd, 40, half_size=False)


def test_vvencapp_is_found_on_the_path(tmp_path, monkeypatch, pictures, info):
    """A stand-in for the program: it checks the raw input and hands out a stored stream."""
    stored = next(iter(sorted((SHARED / "conformance").rglob("*.266"))), None) if SHARED.exists() else None
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(anchors, "_has_encoder", lambda name: False)
    if anchors.ANCHORS["vvenc"].encoder not in av.codecs_available:
        assert "vvencapp" in anchors.missing("vvenc")
    program = tmp_path / "vvencapp"
    payload = stored.read_bytes() if stored else b"\0\0\1\0\x79\0\0\1\0\x81"
    (tmp_path / "answer").write_bytes(payload)
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" > {tmp_path}/arguments\n'
        'while [ $# -gt 0 ]; do case "$1" in -i) source="$2";; -o) target="$2";; esac; shift; done\n'
        f'wc -c < "$source" > {tmp_path}/size\n'
        f'cp {tmp_path}/answer "$target"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    data = anchors.encode(anchors.ANCHORS["vvenc"], pictures, info, 42, half_size=True)
    units = [nal_type("vvc", unit) for unit in split_annex_b(data)]
    assert units
    assert not set(units) & set(anchors.ANCHORS["vvenc"].dropped)
    # 64x64 pictures of 4:2:0 at 10 bit in two bytes.
    assert int((tmp_path / "size").read_text()) == COUNT * 64 * 64 * 3 // 2 * 2
    arguments = (tmp_path / "arguments").read_text()
    assert "-s 64x64 -c yuv420_10 " in arguments
    assert "-q 42 " in arguments
    assert "PicReordering=0" in arguments


def test_a_failing_vvencapp_is_reported(tmp_path, monkeypatch, pictures, info):
    program = tmp_path / "vvencapp"
    program.write_text("#!/bin/sh\necho no such preset >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    monkeypatch.setattr(anchors, "_has_encoder", lambda name: False)
    with pytest.raises(GfvcError, match="exit code 3: no such preset"):
        anchors.encode(anchors.ANCHORS["vvenc"], pictures, info, 42, half_size=False)

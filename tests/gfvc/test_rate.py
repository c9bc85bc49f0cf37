"""Encoding to a bitrate."""

from __future__ import annotations

import io

import pytest

from gfvc import GfvcError, rate
from gfvc.cli import main
from gfvc.options import EncoderOptions
from gfvc.rate import encode_at_bitrate

OPTIONS = EncoderOptions(key_codec="avc")


@pytest.mark.parametrize("kbps", [12.0, 30.0])
def test_file_is_as_large_as_allowed_and_no_larger(small_clip, tmp_path, kbps):
    target = tmp_path / "out.gfv"
    summary = encode_at_bitrate(small_clip, target, kbps, OPTIONS)
    assert 0.7 * kbps < summary.kbps_total <= kbps
    assert target.stat().st_size == summary.size_bytes


def test_more_bits_are_never_worse_used(small_clip):
    sizes = [encode_at_bitrate(small_clip, io.BytesIO(), kbps, OPTIONS).kbps_key for kbps in (12.0, 24.0)]
    assert sizes[0] < sizes[1]


def test_bitrate_out_of_reach_names_the_lowest(small_clip, tmp_path):
    with pytest.raises(GfvcError, match="out of reach; the lowest tried is"):
        encode_at_bitrate(small_clip, tmp_path / "out.gfv", 0.5, OPTIONS)
    assert not list(tmp_path.iterdir())


def test_pipes_are_refused_with_the_way_out():
    with pytest.raises(GfvcError, match="a file is needed"):
        encode_at_bitrate("-", io.BytesIO(), 4.0)


def test_command_takes_a_bitrate_or_a_quantiser(small_clip, tmp_path, capfd):
    target = tmp_path / "out.gfv"
    command = ["encode", str(small_clip), str(target), "--bitrate", "20"]
    assert main([*command, "--key-codec", "avc", "-q"]) == 0
    assert target.exists()
    assert main([*command, "--key-qp", "30", "-f"]) == 2
    assert "one of them" in capfd.readouterr().err


def test_target_that_exists_is_refused_before_any_encoding(small_clip, tmp_path, monkeypatch):
    target = tmp_path / "out.gfv"
    target.write_bytes(b"mine")
    monkeypatch.setattr(rate, "encode", lambda *arguments, **options: pytest.fail("encoded"))
    with pytest.raises(GfvcError, match="exists; use --force"):
        encode_at_bitrate(small_clip, target, 20.0, OPTIONS)
    assert target.read_bytes() == b"mine"

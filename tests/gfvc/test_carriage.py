"""The standard carriage with real key pictures: encode, convert, decode, and decoders that know nothing of it."""

from __future__ import annotations

import io
import json
from fractions import Fraction

import av
import av.logging
import numpy as np
import pytest

from bitstream import Colour, KeyPicture
from bitstream.carriage import open_reader
from bitstream.sei.check import check_sei_stream
from bitstream.sei.messages import SYNTAXES
from gfvc import Decoder, Encoder, EncoderOptions, GfvcError, TimedPicture, VideoInfo, convert, decode, encode
from gfvc.colour import to_rgb
from gfvc.key_picture import CodedPicture

from .command import error_line, gfvc
from .media import read_clip, read_times, write_clip
from .streams import encode_stream

FORMATS = {"hevc": ("hevc", ".265"), "avc": ("h264", ".264")}
CODECS = list(FORMATS)


@pytest.fixture(scope="module")
def streams(small) -> dict[str, bytes]:
    """`.gfv` streams of twelve pictures in three groups, with key pictures of each codec."""
    return {codec: encode_stream(small, key_codec=codec, key_interval=5) for codec in CODECS}


def carried(stream: bytes, codec: str, **options) -> bytes:
    out = io.BytesIO()
    convert(io.BytesIO(stream), out, carriage=codec, **options)
    return out.getvalue()


def read(stream: bytes):
    reader = open_reader(io.BytesIO(stream))
    return reader.header, list(reader.pictures())


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("codec", CODECS)
def test_conversion_there_and_back_is_the_identity(streams, codec, syntax):
    stream = carried(streams[codec], codec, syntax=syntax)
    assert read(stream) == read(streams[codec])
    assert carried(stream, "gfv") == streams[codec]
    report = check_sei_stream(io.BytesIO(stream), codec)
    assert (report.violations, report.warnings, report.syntax, report.messages) == ([], [], syntax, 12)


@pytest.mark.parametrize("codec", CODECS)
def test_an_unaware_decoder_plays_the_key_pictures_without_a_complaint(streams, codec):
    stream = carried(streams[codec], codec)
    header, pictures = read(stream)
    keys = [picture for picture in pictures if isinstance(picture, KeyPicture)]
    codec_of_keys = Decoder(header)._codec
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as complaints, av.open(io.BytesIO(stream), format=FORMATS[codec][0]) as container:
            shown = [to_rgb(frame, header.colour) for frame in container.decode(video=0)]
    finally:
        av.logging.set_level(None)
    assert not [text for level, _, text in complaints if level <= av.logging.WARNING]
    assert len(shown) == len(keys) == 3
    for rgb, key in zip(shown, keys, strict=True):
        assert np.array_equal(rgb, codec_of_keys.decode(CodedPicture(key.config, key.payload)))


@pytest.mark.parametrize("family", ["keypoints2d", "compact"])
@pytest.mark.parametrize("codec", CODECS)
def test_encoder_writes_what_the_decoder_shows(small, codec, family):
    info = VideoInfo(64, 64, Fraction(1, 25), 1, Colour())
    encoder = Encoder(info, EncoderOptions(family=family, key_interval=3, lookahead=0), carriage=codec)
    parts = [[encoder.header_bytes()]]
    parts += [encoder.push(TimedPicture(picture, index)) for index, picture in enumerate(small[:6])]
    if codec == "hevc":
        assert [len(part) > 0 for part in parts] == [True] * 7, "a picture waits"
    parts.append(encoder.flush())
    stream = b"".join(b"".join(part) for part in parts)
    assert encoder.tally.size_bytes == len(stream)
    plain = read(encode_stream(small[:6], family=family, key_interval=3, key_codec=codec, run=1, lookahead=0))
    assert read(stream) == plain
    decoder = Decoder(plain[0])
    assert len([decoder.push(picture) for picture in plain[1]]) == 6


def test_files_by_suffix_and_irregular_times(small, tmp_path):
    ticks = [0, 1, 2, 5, 6, 7]
    clip = write_clip(tmp_path / "a.mp4", small[:6], ticks=ticks, time_base=Fraction(1, 25))
    summary = encode(clip, tmp_path / "a.265", EncoderOptions(key_interval=4))
    assert summary.size_bytes == (tmp_path / "a.265").stat().st_size
    assert decode(tmp_path / "a.265", tmp_path / "b.mp4") == 6
    assert read_times(tmp_path / "b.mp4") == read_times(clip)
    convert(tmp_path / "a.265", tmp_path / "a.gfv")
    assert decode(tmp_path / "a.gfv", tmp_path / "c.mp4") == 6
    assert all(
        np.array_equal(a, b) for a, b in zip(read_clip(tmp_path / "b.mp4"), read_clip(tmp_path / "c.mp4"), strict=True)
    )


def test_damage_keeps_the_pictures_before_it(streams, tmp_path):
    stream = bytearray(carried(streams["hevc"], "hevc"))
    path = tmp_path / "a.265"
    path.write_bytes(stream[:-60])
    done = gfvc("decode", path, tmp_path / "a.mp4")
    assert done.returncode == 2
    assert "byte" in error_line(done)
    assert 5 < len(read_clip(tmp_path / "a.mp4")) < 12


def test_pipes_both_ways(small_clip, tmp_path):
    encoded = gfvc("encode", small_clip, "-", "--carriage", "hevc", "--syntax", "aj0207", "-q")
    assert encoded.returncode == 0, encoded.stderr
    checked = gfvc("check", "-", "--json", given=encoded.stdout)
    report = json.loads(checked.stdout)
    assert (checked.returncode, report["conforming"], report["carriage"], report["pictures"]) == (0, True, "hevc", 1)
    assert (len(report["messages"]), report["syntax"]) == (12, "aj0207")
    converted = gfvc("convert", "-", "-", "--carriage", "gfv", "-q", given=encoded.stdout)
    assert converted.stdout.startswith(b"GFV")
    decoded = gfvc("decode", "-", tmp_path / "a.mp4", "--json", given=encoded.stdout)
    assert json.loads(decoded.stdout)["pictures"] == 12
    summary = json.loads(gfvc("info", "-", "--json", given=encoded.stdout).stdout)
    assert (summary["size_bytes"], summary["error"]) == (len(encoded.stdout), None)


def test_trace_prints_every_element_with_its_place(streams, tmp_path):
    path = tmp_path / "a.265"
    path.write_bytes(carried(streams["hevc"], "hevc"))
    done = gfvc("check", path, "--trace")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert text.count("GFV message, suffix") == 12
    assert "gfv_nn_uri gfvc:1/" in text
    assert "3 coded pictures, 12 GFV and GFVE messages, syntax am0334" in text
    assert gfvc("check", path, "--syntax", "aj0207").returncode == 1


def test_a_violation_is_printed_with_its_place_and_range(streams, tmp_path):
    stream = bytearray(carried(streams["hevc"], "hevc"))
    stream[stream.index(b"gfvc:1/")] = 0xFF
    (tmp_path / "a.265").write_bytes(stream)
    done = gfvc("check", tmp_path / "a.265")
    assert done.returncode == 1
    assert "clause C.4, byte" in done.stdout.decode()
    assert "gfv_nn_uri" in done.stdout.decode()
    report = json.loads(gfvc("check", tmp_path / "a.265", "--json").stdout)
    assert {"clause", "offset", "bit", "element", "found", "allowed", "message"} <= set(report["violations"][0])


@pytest.mark.parametrize(
    ("options", "carriage", "said"),
    [
        ({"key_codec": "av1"}, "hevc", "--key-codec av1 in a stream of hevc"),
        ({"key_codec": "avc"}, "vvc", "--key-codec avc in a stream of vvc"),
        ({}, "mpeg2", "carriage 'mpeg2', one of gfv"),
    ],
)
def test_options_that_do_not_fit_the_carriage(small_clip, tmp_path, options, carriage, said):
    with pytest.raises(GfvcError, match=said):
        encode(small_clip, tmp_path / "a.bin", EncoderOptions(**options), carriage=carriage)
    assert not list(tmp_path.iterdir())


def test_conversions_that_cannot_be_are_named(small, streams, tmp_path):
    (tmp_path / "hevc.gfv").write_bytes(streams["hevc"])
    (tmp_path / "av1.gfv").write_bytes(encode_stream(small[:2]))
    for source, target, said in (
        ("hevc.gfv", "a.264", "coded with hevc, a stream of avc cannot carry them; encode with --key-codec avc"),
        ("av1.gfv", "a.265", "coded with av1"),
        ("missing.gfv", "a.265", "No such file"),
    ):
        done = gfvc("convert", source, target, cwd=tmp_path)
        assert done.returncode == 2
        assert said in error_line(done)
        assert not (tmp_path / target).exists()
    with pytest.raises(GfvcError, match="--run 0"):
        convert(tmp_path / "hevc.gfv", tmp_path / "b.gfv", run=0)

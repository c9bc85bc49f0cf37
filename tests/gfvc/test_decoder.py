"""The decoder shows each picture as its unit comes, and keeps what came before damage."""

from __future__ import annotations

import dataclasses
import io
from fractions import Fraction

import numpy as np
import pytest

from bitstream import BitstreamError, Picture, StreamReader, StreamWriter, UnitType
from gfvc import Decoder, GfvcError, ModelError, VideoError, decode

from .media import read_clip
from .streams import decode_stream, parse_stream


@pytest.fixture(scope="module")
def shown(small_stream):
    return decode_stream(small_stream)


def unit_starts(stream):
    """(offset, type, first picture) of each unit."""
    rows, pictures = [], 0
    for unit, found in StreamReader(io.BytesIO(stream)).units():
        rows.append((unit.offset, unit.type, pictures))
        pictures += len(found)
    return rows


def header_of(stream):
    return StreamReader(io.BytesIO(stream)).header


@pytest.mark.parametrize("count", [1, 2, 7, 11])
def test_pictures_do_not_depend_on_later_units(small_stream, shown, count):
    prefix = decode_stream(small_stream, count)
    assert len(prefix) == count
    for early, late in zip(prefix, shown, strict=False):
        assert early.pts == late.pts
        assert np.array_equal(early.rgb, late.rgb)


def test_pushing_gives_the_picture_at_once(small_stream):
    decoder = Decoder(header_of(small_stream))
    for index, picture in enumerate(parse_stream(small_stream)):
        assert decoder.push(picture).pts == index


def test_info_is_that_of_the_source(small_stream):
    info = Decoder(header_of(small_stream)).info
    assert (info.width, info.height) == (64, 64)
    assert info.time_base * info.picture_ticks == Fraction(1, 25)


@pytest.mark.parametrize("suffix", ["mkv", "rgb"])
def test_cut_stream_leaves_the_pictures_before_the_cut(tmp_path, small_stream, shown, suffix):
    last = [offset for offset, kind, _ in unit_starts(small_stream) if kind == UnitType.PARAMETERS][-1]
    for cut, pictures in ((last, 9), (last + 1, 9), (len(small_stream) - 1, 12)):
        source, target = tmp_path / f"{cut}.gfv", tmp_path / f"{cut}.{suffix}"
        source.write_bytes(small_stream[:cut])
        with pytest.raises(BitstreamError, match="cut|missing") as caught:
            decode(source, target)
        assert last <= caught.value.offset <= cut
        if suffix == "rgb":
            raw = np.fromfile(target, np.uint8).reshape(-1, 64, 64, 3)
            assert np.array_equal(raw, np.stack([picture.rgb for picture in shown[:pictures]]))
        else:
            assert len(read_clip(target)) == pictures


def test_flipped_byte_leaves_the_pictures_before_it(tmp_path, small_stream):
    """In every unit in turn; the first picture of a damaged unit and all later ones are lost."""
    for number, (offset, kind, first) in enumerate(unit_starts(small_stream)):
        damaged = bytearray(small_stream)
        damaged[offset + 1] ^= 0x10
        source, target = tmp_path / f"{number}.gfv", tmp_path / f"{number}.rgb"
        source.write_bytes(damaged)
        with pytest.raises(BitstreamError) as caught:
            decode(source, target)
        assert caught.value.offset >= offset
        if first:
            assert target.stat().st_size == first * 64 * 64 * 3, kind
        else:
            assert not target.exists()
    assert not list(tmp_path.glob(".*"))


def test_key_picture_that_cannot_be_decoded_is_an_error_with_the_offset_of_its_unit(tmp_path, small_stream):
    """Framing and checksums are right: the fault is in the coded picture itself."""
    header, pictures = header_of(small_stream), parse_stream(small_stream)
    writer = StreamWriter(header)
    broken = dataclasses.replace(pictures[0], ticks=1, payload=b"\xff" * 40)
    units = [*writer.key_picture(pictures[0]), writer.parameters(pictures[1:4])]
    good = len(writer.header_bytes()) + sum(map(len, units))
    stream = writer.header_bytes() + b"".join([*units, *writer.key_picture(broken), writer.end()])
    target = tmp_path / "out.rgb"
    with pytest.raises(BitstreamError, match="av1 picture cannot be decoded|coded pictures") as caught:
        decode(io.BytesIO(stream), target)
    assert good < caught.value.offset < len(stream)
    assert target.stat().st_size == 4 * 64 * 64 * 3


def test_stream_without_pictures_gives_an_error_of_the_package_or_no_picture(tmp_path, small_stream):
    writer = StreamWriter(header_of(small_stream))
    stream = writer.header_bytes() + writer.end()
    for suffix in ("mp4", "mkv", "y4m", "rgb"):
        target = tmp_path / f"out.{suffix}"
        try:
            assert decode(io.BytesIO(stream), target) == 0
        except (BitstreamError, GfvcError):
            assert not target.exists()


def test_damaged_header_is_an_error_before_anything_is_written(tmp_path, small_stream):
    for data in (b"", b"GFV", b"RIFF" + small_stream[4:], small_stream[:20]):
        with pytest.raises(BitstreamError):
            decode(io.BytesIO(data), tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())


def test_parameters_before_a_key_picture_are_refused(small_stream):
    decoder = Decoder(header_of(small_stream))
    with pytest.raises(BitstreamError, match="before the first key picture"):
        decoder.push(Picture(1, (0,) * header_of(small_stream).layout.count))


def test_layout_that_does_not_fit_the_model_is_refused(small_stream):
    header = header_of(small_stream)
    group = dataclasses.replace(header.layout.groups[-1], count=header.layout.groups[-1].count - 1)
    short = dataclasses.replace(header, layout=type(header.layout)((group,)))
    with pytest.raises(BitstreamError, match="parameters a picture"):
        Decoder(short)


def test_stream_of_another_model_names_it(small_stream):
    header = dataclasses.replace(header_of(small_stream), model="future-9")
    with pytest.raises(ModelError, match="future-9"):
        Decoder(header)
    header = dataclasses.replace(header_of(small_stream), model_hash=bytes(8))
    with pytest.raises(ModelError, match="SHA-256"):
        Decoder(header)


def test_existing_target_is_kept_without_force(tmp_path, small_stream):
    target = tmp_path / "out.rgb"
    target.write_bytes(b"mine")
    with pytest.raises(GfvcError, match="exists"):
        decode(io.BytesIO(small_stream), target)
    assert target.read_bytes() == b"mine"
    assert decode(io.BytesIO(small_stream), target, force=True) == 12
    with pytest.raises(VideoError, match="unknown suffix"):
        decode(io.BytesIO(small_stream), tmp_path / "out.txt")


def test_largest_parameters_of_the_syntax_give_a_picture(small_stream):
    header, key = header_of(small_stream), parse_stream(small_stream)[0]
    decoder = Decoder(header)
    decoder.push(dataclasses.replace(key, values=(32767,) * header.layout.count))
    for value in (-32767, 32767, 0):
        assert decoder.push(Picture(1, (value,) * header.layout.count)).rgb.shape == (64, 64, 3)


def test_repeated_parameters_are_generated_once(small_stream, monkeypatch):
    """And shown as if they were generated again; a new key picture ends the repetition."""
    key, driven = parse_stream(small_stream)[:2]
    other = dataclasses.replace(driven, values=tuple(value + 9 for value in driven.values))
    pictures = [key, driven, driven, driven, other, driven, key, driven]
    expected = []
    for picture in pictures:
        decoder = Decoder(header_of(small_stream), slack=0)
        decoder.push(key)
        expected.append(decoder.push(picture).rgb)
    decoder = Decoder(header_of(small_stream), slack=0)
    calls = []
    generate = decoder.backend.generate
    monkeypatch.setattr(decoder.backend, "generate", lambda *given: calls.append(given) or generate(*given))
    shown = [decoder.push(picture).rgb for picture in pictures]
    assert len(calls) == 4
    assert all(np.array_equal(a, b) for a, b in zip(shown, expected, strict=True))
    jobs = [decoder.job(picture) for picture in pictures]
    assert all(np.array_equal(job().picture.rgb, rgb) for job, rgb in zip(jobs, expected, strict=True))

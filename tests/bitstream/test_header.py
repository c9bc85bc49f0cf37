"""The file header: fields, limits, checksum (SPEC.md clauses 6.1 and 6.2)."""

import dataclasses
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import BitstreamError, Colour, Group, Header, Layout
from bitstream.bits import BitWriter
from bitstream.header import FAMILIES, KEY_CODECS, MAX_TIME, parse_fields, read_header

from .streams import HEADER, few, header
from .test_parameters import layouts

GOLDEN = "47465601242005020007530007d2021a0d140664c112961c10ccc2c6ca5a625c6002468acf13579bdef33bd167"
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,31}", fullmatch=True)


def read(data):
    return read_header(io.BytesIO(data))


def sealed(fields):
    """Any header fields behind the magic, a size and a checksum that fit."""
    start = b"GFV\x01" + bytes((len(fields),)) + fields
    return start + zlib.crc32(start).to_bytes(4, "big")


def fields_of(**changes):
    """Bytes of the header's fields, one after another, any of them replaced by a value or by (value, bits)."""
    fields = {
        "width": (256, 11),
        "height": (256, 11),
        "time_base_num_minus1": 0,
        "time_base_den_minus1": 24,
        "picture_ticks_minus1": 0,
        "primaries": (1, 8),
        "transfer": (13, 8),
        "matrix": (6, 8),
        "full_range": (0, 1),
        "key_codec_idc": (1, 4),
        "chroma_format_idc": (1, 2),
        "family_idc": (0, 6),
        "num_groups_minus1": 0,
        "group_count_minus1": 3,
        "group_components_minus1": (1, 2),
        "group_step_idx": (24, 7),
        "name_length": (2, 6),
        "name": (int.from_bytes(b"m1", "big"), 16),
        "model_hash": (0x0123456789ABCDEF, 64),
    }
    writer = BitWriter()
    for value in (fields | changes).values():
        if isinstance(value, tuple):
            writer.u(*value)
        else:
            writer.ue(value)
    return writer.to_bytes()


@st.composite
def headers(draw):
    times = st.one_of(st.integers(1, MAX_TIME), st.integers(1, 100), st.just(MAX_TIME))
    side, code = st.integers(64, 1024), st.integers(0, 255)
    codec = draw(st.sampled_from(KEY_CODECS))
    return Header(
        width=draw(side),
        height=draw(side),
        time_base=(draw(times), draw(times)),
        picture_ticks=draw(times),
        colour=Colour(draw(code), draw(code), draw(code), draw(st.booleans())),
        key_codec=codec,
        chroma_format=draw(st.sampled_from(("420", "444") if codec in ("avc", "hevc") else ("420",))),
        family=draw(st.sampled_from(FAMILIES)),
        layout=draw(layouts()),
        model=draw(NAMES),
        model_hash=draw(st.binary(min_size=8, max_size=8)),
    )


@given(headers(), st.binary(max_size=8))
@few
def test_any_header_round_trips_and_nothing_after_it_is_read(head, after):
    data = head.to_bytes()
    source = io.BytesIO(data + after)
    assert read_header(source) == (head, len(data), int.from_bytes(data[-4:], "big"))
    assert source.read() == after


def test_header_matches_the_literal_bytes():
    assert HEADER.to_bytes().hex() == GOLDEN
    assert read(bytes.fromhex(GOLDEN))[0] == HEADER


def test_fields_stand_in_the_order_of_the_specification():
    head = parse_fields(fields_of())
    assert (head.width, head.height, head.time_base, head.picture_ticks) == (256, 256, (1, 25), 1)
    assert head.colour == Colour(1, 13, 6, False)
    assert (head.key_codec, head.chroma_format, head.family) == ("hevc", "420", "keypoints2d")
    assert head.layout == Layout((Group(4, 2, 24, False),))
    assert (head.model, head.model_hash.hex()) == ("m1", "0123456789abcdef")
    assert head.to_bytes() == sealed(fields_of())


def test_the_largest_layout_fits_the_header():
    layout = Layout((Group(1024, 4, 127, False),) + (Group(1024, 4, 127, True),) * 15)
    head = header(layout, time_base=(MAX_TIME, MAX_TIME), picture_ticks=MAX_TIME, model="m" * 32)
    assert read(head.to_bytes())[0] == head


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 63),
        ("width", 1025),
        ("height", 0),
        ("height", 1025),
        ("time_base", (0, 25)),
        ("time_base", (1, 0)),
        ("time_base", (MAX_TIME + 1, 1)),
        ("time_base", (1, MAX_TIME + 1)),
        ("picture_ticks", 0),
        ("picture_ticks", MAX_TIME + 1),
        ("key_codec", "mpeg2"),
        ("chroma_format", "422"),
        ("family", "unknown"),
        ("model", ""),
        ("model", "m" * 33),
        ("model", "Model"),
        ("model", ".hidden"),
        ("model", "a/b"),
        ("model", "line\n"),
        ("model_hash", b"7 bytes"),
        ("model_hash", b"of nine b"),
    ],
)
def test_an_illegal_field_is_refused_on_construction(field, value):
    with pytest.raises(ValueError, match="expected"):
        dataclasses.replace(HEADER, **{field: value})


@pytest.mark.parametrize("change", [{"primaries": 256}, {"transfer": -1}, {"matrix": 256}])
def test_illegal_colour_code_points_are_refused_on_construction(change):
    with pytest.raises(ValueError):
        dataclasses.replace(HEADER, colour=Colour(**change))


@pytest.mark.parametrize(
    "changes",
    [
        {"width": (63, 11)},
        {"height": (1025, 11)},
        {"time_base_num_minus1": MAX_TIME},
        {"time_base_den_minus1": MAX_TIME},
        {"picture_ticks_minus1": MAX_TIME},
        {"key_codec_idc": (4, 4)},
        {"chroma_format_idc": (0, 2)},
        {"key_codec_idc": (2, 4), "chroma_format_idc": (3, 2)},
        {"chroma_format_idc": (2, 2)},
        {"family_idc": (2, 6)},
        {"num_groups_minus1": 16},
        {"num_groups_minus1": 1},
        {"group_count_minus1": 1024},
        {"group_components_minus1": (2, 2)},
        {"name_length": (33, 6), "name": (int.from_bytes(b"m" * 33, "big"), 264)},
        {"name_length": (0, 6)},
        {"name_length": (63, 6)},
        {"name": (int.from_bytes(b"M1", "big"), 16)},
        {"name": (0xC3A9, 16)},
        {"model_hash": (0, 56)},
        {"more": (0, 8)},
        {"stop": (1, 1)},
    ],
    ids=str,
)
def test_an_illegal_field_is_refused_on_parsing(changes):
    data = sealed(fields_of(**changes))
    with pytest.raises(BitstreamError) as caught:
        read(data)
    assert caught.value.clause == "6.2"
    assert 5 <= caught.value.offset <= len(data) - 4


def test_every_cut_of_a_header_is_refused_at_its_end():
    data = HEADER.to_bytes()
    for size in range(len(data)):
        with pytest.raises(BitstreamError, match="bytes missing") as caught:
            read(data[:size])
        assert (caught.value.offset, caught.value.clause) == (size, "6.1")


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_damaged_byte_of_a_header_is_noticed(mask):
    data = HEADER.to_bytes()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= mask
        with pytest.raises(BitstreamError) as caught:
            read(bytes(damaged) + bytes(300))
        assert caught.value.clause == "6.1"


def test_another_file_and_another_version_are_told_apart():
    with pytest.raises(BitstreamError, match=r"not a \.gfv file") as caught:
        read(b"\0\0\0\x20ftypisom")
    assert caught.value.offset == 0
    with pytest.raises(BitstreamError, match="version 2, 1 expected") as caught:
        read(b"GFV\x02\0\0\0\0\0")
    assert caught.value.offset == 3

"""The standard carriage without a video library: pictures to elementary streams and back (SPEC.md clause C.6)."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import BitstreamError, Group, KeyPicture, Layout, Picture, StreamReader, StreamWriter
from bitstream.annexb import read_nal_units
from bitstream.carriage import carriage_of, open_reader, open_writer
from bitstream.elementary_reader import ElementaryReader
from bitstream.elementary_writer import MAX_GROUP_VALUES, ElementaryWriter
from bitstream.errors import CarriageError
from bitstream.nal import pack_nal_units
from bitstream.sei.check import check_sei_stream
from bitstream.sei.messages import SYNTAXES
from bitstream.sei.payload import sei_position
from bitstream.sei.time import UUID, parse_ticks, write_ticks
from bitstream.sei.uri import format_uri, parse_uri

from .streams import few, header, motion

CODECS = ("avc", "hevc", "vvc")
POINTS = Layout((Group(6, 2, 24, False), Group(4, 2, 21, True), Group(2, 1, 19, False)))
# Parameter sets and IDR slices of x264 and x265 at 64x64, and made-up ones of VVC.
SETS = {
    "avc": ["6764100aacb884d080000003008000001902", "68ee01972c"],
    "hevc": ["4201010408000003009fa800000300003ca00808040596ea491b6b9a0020", "4401c172b02240"],
    "vvc": ["00790102030405", "0081010203"],
}
SLICES = {"avc": "658884ff25cf822be05d", "hevc": "2601af1f80", "vvc": "0041a080"}


def key(ticks: int, values, codec: str, number: int = 0) -> KeyPicture:
    slices = bytes.fromhex(SLICES[codec]) + bytes((0x55, number | 0x80))
    return KeyPicture(ticks, values, pack_nal_units(map(bytes.fromhex, SETS[codec])), pack_nal_units([slices]))


def pictures(
    codec: str, layout: Layout, count: int = 9, every: int = 4, seed: int = 1, usual: int = 1001
) -> list[Picture]:
    found: list[Picture] = []
    for number, values in enumerate(motion(layout, count, seed)):
        ticks = usual if number else 0
        if number % every:
            found.append(Picture(ticks, values))
        else:
            found.append(key(ticks, values, codec, number))
    return found


def write(writer, items) -> list[bytes]:
    parts = [writer.header_bytes()]
    for picture in items:
        parts += writer.key_picture(picture) if isinstance(picture, KeyPicture) else [writer.parameters([picture])]
    return [*parts, writer.end()]


def read(data: bytes):
    reader = open_reader(io.BytesIO(data))
    return reader.header, list(reader.pictures())


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("family", ["keypoints2d", "compact"])
@pytest.mark.parametrize("codec", CODECS)
def test_pictures_and_header_come_back(codec, family, syntax):
    head = header(POINTS, key_codec=codec, family=family)
    items = pictures(codec, POINTS)
    writer = ElementaryWriter(head, syntax)
    data = b"".join(write(writer, items))
    assert read(data) == (head, items)
    assert writer.tally.size_bytes == len(data)
    report = check_sei_stream(io.BytesIO(data), codec)
    assert (report.violations, report.warnings, report.syntax) == ([], [], syntax)
    assert (report.messages, report.pictures) == (9, 3)
    reader = ElementaryReader(io.BytesIO(data), codec)
    units = [unit for unit, _ in reader.units()]
    assert sum(unit.size for unit in units) == len(data)
    assert [unit.offset for unit in units] == [sum(u.size for u in units[:i]) for i in range(len(units))]


@given(
    steps=st.lists(st.integers(0, 108), min_size=1, max_size=3),
    values=st.lists(st.lists(st.integers(-32767, 32767), min_size=6, max_size=6), min_size=1, max_size=5),
    family=st.sampled_from(("keypoints2d", "compact")),
)
@few
def test_any_values_of_any_steps_are_carried_exactly(steps, values, family):
    layout = Layout(tuple(Group(6 // len(steps), 1, step, False) for step in steps))
    head = header(layout, family=family)
    items = [key(0, tuple(values[0]), "hevc"), *(Picture(1001, tuple(row)) for row in values[1:])]
    writer = ElementaryWriter(head)
    with contextlib.suppress(CarriageError):
        # Fine steps and large values do not fit the 31 bits that every reader has.
        assert read(b"".join(write(writer, items))) == (head, items)


@pytest.mark.parametrize("codec", ["hevc", "vvc"])
def test_each_picture_is_one_suffix_sei_unit_at_once(codec):
    writer = ElementaryWriter(header(POINTS, key_codec=codec))
    for picture in pictures(codec, POINTS):
        if isinstance(picture, KeyPicture):
            data = b"".join(writer.key_picture(picture))
        else:
            data = writer.parameters([picture])
            assert len(list(read_nal_units(io.BytesIO(data), codec))) == 1
        assert sei_position(list(read_nal_units(io.BytesIO(data), codec))[-1]) == "suffix"


def test_in_avc_the_messages_of_a_group_precede_its_slice():
    data = b"".join(write(ElementaryWriter(header(POINTS, key_codec="avc")), pictures("avc", POINTS)))
    assert [nal.type for nal in read_nal_units(io.BytesIO(data), "avc")] == [7, 8, 6, 5, 6, 5, 6, 5, 11]


def test_idr_pictures_of_avc_differ_in_their_number_and_come_back_as_they_were():
    items = pictures("avc", POINTS)
    data = b"".join(write(ElementaryWriter(header(POINTS, key_codec="avc")), items))
    slices = [nal.data for nal in read_nal_units(io.BytesIO(data), "avc") if nal.is_slice]
    assert slices[0][:3] != slices[1][:3]
    assert slices[0][:3] == slices[2][:3]
    assert read(data)[1] == items


@pytest.mark.parametrize("codec", CODECS)
def test_irregular_times_are_carried(codec):
    items = pictures(codec, POINTS)
    ticks = [0, 1, 2**31 - 1, 1001, 256, 255, 65536, 1001, 3]
    items = [type(p)(**{**vars(p), "ticks": t}) for p, t in zip(items, ticks, strict=True)]
    data = b"".join(write(ElementaryWriter(header(POINTS, key_codec=codec)), items))
    assert [picture.ticks for picture in read(data)[1]] == ticks
    assert check_sei_stream(io.BytesIO(data), codec).conforming


@pytest.mark.parametrize("tail", ["", "00", "0001", "80000000", "0100000000"])
def test_a_malformed_time_is_refused(tail):
    with pytest.raises(BitstreamError, match=r"1..2147483647 in 1 to 4 bytes expected \(SPEC.md C.6.3"):
        parse_ticks(5, UUID + bytes.fromhex(tail))


def test_other_user_data_is_no_time():
    assert parse_ticks(5, bytes(20)) is None
    assert parse_ticks(4, UUID + b"\1") is None
    assert parse_ticks(*write_ticks(2**31 - 1)) == 2**31 - 1


def test_uri_holds_the_header():
    head = header(POINTS)
    for syntax in SYNTAXES:
        uri = format_uri(head, syntax)
        assert parse_uri(uri, "hevc") == (head, syntax)
    plain = header(POINTS, picture_ticks=1, colour=type(head.colour)())
    assert format_uri(plain, "am0334") == (
        "gfvc:1/face-1.0/0123456789abcdef?f=keypoints2d&s=256x320&t=1/30000&g=6.2.24,4.2.21f,2.1.19"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gfvc:1", "gfvc:2"),
        ("0123456789abcdef", "0123"),
        ("f=keypoints2d", "f=mesh"),
        ("s=256x320", "s=256x0320"),
        ("s=256x320", "s=256x32"),
        ("t=1/30000", "t=0/30000"),
        ("t=1/30000", "t=1/30000&t=1/30000"),
        ("&t=1/30000", ""),
        ("&t=1/30000", "&t=1/30000&q=1"),
        ("6.2.24", "6.2"),
        ("6.2.24", "6.5.24"),
        ("6.2.24", "6.2.24f"),
        ("6.2.24", "9999999999.2.24"),
        ("c=1.13.6.1", "c=1.13.600.1"),
        ("f=keypoints2d", "f=keypoints2d&"),
        ("face-1.0", "-face"),
        ("gfvc:1", "x" * 2000),
    ],
)
def test_a_malformed_uri_is_one_error(old, new):
    uri = format_uri(header(POINTS), "am0334")
    assert old in uri
    with pytest.raises(BitstreamError) as caught:
        parse_uri(uri.replace(old, new), "hevc")
    assert caught.value.clause == "C.6"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key_codec": "av1"}, "av1 cannot be carried, one of avc, hevc, vvc"),
        ({"layout": Layout((Group(2, 1, 127, False),))}, "parameter group 0 needs 34 fractional bits"),
        ({"layout": Layout((Group(3, 1, 24, False),))}, "even number"),
        ({"layout": Layout((Group(1024, 1, 1, False), Group(3, 1, 1, False))), "family": "compact"}, "1024 rows"),
    ],
)
def test_what_cannot_be_carried_is_named(changes, said):
    with pytest.raises(CarriageError, match=said):
        ElementaryWriter(header(**({"layout": POINTS} | changes)))


def test_pictures_that_cannot_be_carried_are_named():
    with pytest.raises(CarriageError, match="without pictures"):
        ElementaryWriter(header(POINTS)).end()
    values = (0,) * 12
    cra = KeyPicture(0, values, pack_nal_units(map(bytes.fromhex, SETS["hevc"])), pack_nal_units([b"\x2a\x01\xaf\x80"]))
    with pytest.raises(CarriageError, match="type 21"):
        ElementaryWriter(header(POINTS)).key_picture(cra)
    inter = KeyPicture(0, values, pack_nal_units(map(bytes.fromhex, SETS["avc"])), pack_nal_units([b"\x65\xc0\x80"]))
    with pytest.raises(CarriageError, match="slice_type"):
        ElementaryWriter(header(POINTS, key_codec="avc")).key_picture(inter)
    fine = Layout((Group(6, 2, 0, False), Group(6, 2, 108, False)))
    writer = ElementaryWriter(header(fine))
    writer.key_picture(key(0, (0,) * 12, "hevc"))
    with pytest.raises(CarriageError, match="parameter 0 changes by"):
        writer.parameters([Picture(1, (32767, 0) * 6)])


def test_a_group_of_avc_has_a_limit():
    layout = Layout(tuple(Group(1024, 1, 24, False) for _ in range(16)))
    writer = ElementaryWriter(header(layout, key_codec="avc", family="compact"))
    values = (0,) * layout.count
    writer.key_picture(key(0, values, "avc"))
    writer._count = MAX_GROUP_VALUES // layout.count
    writer._messages = []
    with pytest.raises(CarriageError, match="--key-interval"):
        writer.parameters([Picture(1, values)] * 2)


def test_misuse_of_the_writer_is_refused():
    writer = ElementaryWriter(header(POINTS))
    with pytest.raises(ValueError, match="before the first key picture"):
        writer.parameters([Picture(1, (0,) * 12)])
    with pytest.raises(ValueError, match="11 parameters"):
        writer.key_picture(key(0, (0,) * 11, "hevc"))
    writer.key_picture(key(0, (0,) * 12, "hevc"))
    writer.end()
    with pytest.raises(ValueError, match="has ended"):
        writer.parameters([Picture(1, (0,) * 12)])


@pytest.mark.parametrize("codec", CODECS)
def test_a_cut_stream_keeps_the_pictures_before_the_cut(codec):
    items = pictures(codec, POINTS)
    data = b"".join(write(ElementaryWriter(header(POINTS, key_codec=codec)), items))
    most = 0
    for size in range(0, len(data), 7):
        shown: list[Picture] = []
        with pytest.raises(BitstreamError):
            for picture in open_reader(io.BytesIO(data[:size])).pictures():
                shown.append(picture)
        # A slice has no checksum: a cut one may pass for a whole one.
        assert [p.values for p in shown] == [p.values for p in items[: len(shown)]]
        most = max(most, len(shown))
    assert most == len(items)


@pytest.mark.parametrize("codec", CODECS)
def test_lost_units_are_noticed(codec):
    items = pictures(codec, POINTS)
    data = b"".join(write(ElementaryWriter(header(POINTS, key_codec=codec)), items))
    nals = [nal.data for nal in read_nal_units(io.BytesIO(data), codec)]
    for index in range(len(nals) - 2):
        if index < 3 and nals[index][0] >> 1 == 32:
            continue
        shown: list[Picture] = []
        try:
            lost = b"".join(b"\0\0\1" + nal for i, nal in enumerate(nals) if i != index)
            for picture in open_reader(io.BytesIO(lost)).pictures():
                shown.append(picture)
        except BitstreamError:
            continue
        # Parameter sets and the last messages of a group leave no trace.
        assert [p.values for p in shown] == [p.values for p in items][: len(shown)] or codec != "avc"


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.data())
@few
def test_damage_never_gives_another_error(codec, data):
    stream = bytearray(b"".join(write(ElementaryWriter(header(POINTS, key_codec=codec)), pictures(codec, POINTS))))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(4, len(stream) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BitstreamError):
        list(open_reader(io.BytesIO(bytes(stream))).pictures())


def test_foreign_and_unfinished_streams_are_refused():
    items = pictures("hevc", POINTS)
    data = b"".join(write(ElementaryWriter(header(POINTS)), items))
    foreign = data.replace(b"tag:gfvc", b"tag:else")
    with pytest.raises(BitstreamError, match="gfv_nn_tag_uri"):
        open_reader(io.BytesIO(foreign))
    with pytest.raises(BitstreamError, match="after the end"):
        list(open_reader(io.BytesIO(data + b"\0\0\1\x50\x01\x80")).pictures())
    with pytest.raises(BitstreamError, match="it was cut"):
        list(open_reader(io.BytesIO(data[:-6])).pictures())
    with pytest.raises(BitstreamError, match="no coded picture"):
        open_reader(io.BytesIO(b"\0\0\1\x42\x01\x80\0\0\1\x4a\x01"))


def test_suffixes_and_writers():
    names = ("a.gfv", "a.264", "A.H265", "a.vvc", "a.mp4", "-")
    assert [carriage_of(name) for name in names] == ["gfv", "avc", "hevc", "vvc", "gfv", "gfv"]
    assert isinstance(open_writer("gfv", header(POINTS)), StreamWriter)
    assert isinstance(open_writer("hevc", header(POINTS)), ElementaryWriter)
    with pytest.raises(CarriageError, match="coded with hevc in a stream of avc"):
        open_writer("avc", header(POINTS))
    stream = b"".join(write(StreamWriter(header(POINTS)), pictures("hevc", POINTS)))
    assert isinstance(open_reader(io.BytesIO(stream)), StreamReader)


@pytest.mark.parametrize("codec", CODECS)
def test_checker_knows_the_rules_of_our_streams(codec):
    items = pictures(codec, POINTS)
    parts = write(ElementaryWriter(header(POINTS, key_codec=codec)), items)
    data = b"".join(parts)
    assert check_sei_stream(io.BytesIO(data), codec).conforming
    cut = check_sei_stream(io.BytesIO(data[: -len(parts[-1])] if codec != "avc" else data[:-5]), codec)
    assert [fault.clause for fault in cut.violations] == ["C.6.1"]
    if codec != "avc":
        lost = check_sei_stream(io.BytesIO(b"".join(parts[:4] + parts[5:])), codec)
        assert [(fault.clause, fault.element) for fault in lost.violations] == [("C.6.1", "gfv_cnt")]

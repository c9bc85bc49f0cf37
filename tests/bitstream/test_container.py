"""Whole streams: order of units, both ends streaming, and what the writer refuses (SPEC.md clauses 6.5 to 6.8)."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import (
    BitstreamError,
    KeyPicture,
    Picture,
    StreamParser,
    StreamReader,
    StreamWriter,
    UnitType,
)
from bitstream.header import read_header

from .streams import HEADER, LAYOUT, build, few, motion, payloads, read_pictures, read_until_fault, seal, small_stream
from .test_header import headers

ROW = (7,) * LAYOUT.count
KEY = KeyPicture(0, ROW, b"", b"coded")


class Trickle:
    """A pipe that gives one byte at a time and cannot seek."""

    def __init__(self, data):
        self._source = io.BytesIO(data)

    def read(self, size=-1):
        return self._source.read(min(size, 1))


def refused(data):
    """The fault of a stream that must be refused."""
    with pytest.raises(BitstreamError) as caught:
        read_pictures(data)
    return caught.value


def test_a_stream_gives_back_its_header_and_pictures():
    stream = small_stream()
    reader = StreamReader(io.BytesIO(stream.data))
    assert reader.header == HEADER
    assert reader.header_size == len(stream.parts[0])
    assert list(reader.pictures()) == stream.pictures


@given(st.data())
@few
def test_any_stream_round_trips(data):
    head = data.draw(headers())
    rows = iter(motion(head.layout, 9, data.draw(st.integers(0, 1000))))
    ticks = st.integers(1, (1 << 31) - 1)
    runs = []
    for _ in range(data.draw(st.integers(0, 3))):
        key_ticks = data.draw(ticks) if runs else 0
        key = KeyPicture(key_ticks, next(rows), data.draw(st.binary(max_size=9)), data.draw(st.binary(min_size=1)))
        runs += [key, [Picture(data.draw(ticks), next(rows)) for _ in range(2)]]
    stream = build(head, runs)
    assert read_pictures(stream.data) == stream.pictures


def test_units_state_type_offset_size_and_pictures():
    stream = small_stream()
    offset = len(stream.parts[0])
    found = list(StreamReader(io.BytesIO(stream.data)).units())
    for (unit, pictures), part, expected in zip(found, stream.parts[1:], stream.found[1:], strict=True):
        assert (unit.offset, unit.size, pictures) == (offset, len(part), expected)
        offset += len(part)
    kinds = [unit.type for unit, _ in found]
    assert kinds == [1, 2, 3, 3, 3, 1, 2, 3, 3, 0]


def test_a_stream_without_pictures_is_a_header_and_an_end():
    stream = build(HEADER, [])
    assert read_pictures(stream.data) == []
    assert len(stream.parts[1]) == 4


def test_a_source_that_gives_one_byte_at_a_time_is_read_as_a_file_is():
    stream = small_stream()
    assert list(StreamReader(Trickle(stream.data)).pictures()) == stream.pictures


def test_units_are_read_no_further_than_their_end():
    stream = small_stream()
    source = io.BytesIO(stream.data)
    units = StreamReader(source).units()
    offset = len(stream.parts[0])
    for part in stream.parts[1:]:
        assert source.tell() == offset
        next(units)
        offset += len(part)


def test_push_of_one_unit_at_a_time_gives_what_the_reader_gives():
    stream = small_stream()
    parser = StreamParser(*read_header(io.BytesIO(stream.parts[0])))
    for part, expected in zip(stream.parts[1:], stream.found[1:], strict=True):
        assert not parser.ended
        assert parser.push(part) == expected
    assert parser.ended
    assert (parser.offset, parser.pictures) == (len(stream.data), len(stream.pictures))


@pytest.mark.parametrize("change", ["nothing", "half", "two", "one and a byte"])
def test_push_refuses_other_than_one_whole_unit(change):
    stream = small_stream()
    parser = StreamParser(*read_header(io.BytesIO(stream.parts[0])))
    first, second = stream.parts[1:3]
    data = {"nothing": b"", "half": first[:5], "two": first + second, "one and a byte": first + b"\0"}[change]
    with pytest.raises(BitstreamError):
        parser.push(data)


def test_parameter_sets_are_sent_where_they_change():
    configs = [b"", b"A", b"A", b"B", b"", b"A"]
    keys = [KeyPicture(1001 * bool(n), ROW, config, b"coded") for n, config in enumerate(configs)]
    stream = build(HEADER, keys)
    assert [data for kind, data in payloads(stream.data) if kind == UnitType.KEY_CONFIG] == [b"A", b"B", b"", b"A"]
    assert [picture.config for picture in read_pictures(stream.data)] == configs


def test_the_first_picture_has_no_time_before_it():
    stream = build(HEADER, [KeyPicture(555, ROW, b"", b"coded"), KeyPicture(555, ROW, b"", b"coded")])
    assert [picture.ticks for picture in read_pictures(stream.data)] == [0, 555]


@pytest.mark.parametrize("count", [1, 255, 256])
def test_a_unit_holds_up_to_256_pictures(count):
    stream = build(HEADER, [KEY, [Picture(1001, ROW)] * count])
    assert len(read_pictures(stream.data)) == 1 + count
    # Pictures that repeat the one before cost next to nothing.
    assert len(stream.data) - len(build(HEADER, [KEY]).data) < 16


@pytest.mark.parametrize("count", [0, 257])
def test_the_writer_refuses_other_runs(count):
    writer = StreamWriter(HEADER)
    writer.key_picture(KEY)
    with pytest.raises(ValueError, match=r"1\.\.256 expected"):
        writer.parameters([Picture(1001, ROW)] * count)


def test_the_writer_refuses_another_number_of_parameters():
    writer = StreamWriter(HEADER)
    with pytest.raises(ValueError, match="12 parameters, 13 expected"):
        writer.key_picture(KeyPicture(0, ROW[1:], b"", b"coded"))
    writer.key_picture(KEY)
    with pytest.raises(ValueError, match="14 parameters, 13 expected"):
        writer.parameters([Picture(1001, (*ROW, 0))])


def test_the_writer_refuses_parameters_before_a_key_picture():
    with pytest.raises(ValueError):
        StreamWriter(HEADER).parameters([Picture(1001, ROW)])


def test_the_writer_refuses_a_key_picture_without_coded_picture():
    with pytest.raises(ValueError):
        StreamWriter(HEADER).key_picture(KeyPicture(0, ROW, b"", b""))


@pytest.mark.parametrize(("config", "payload"), [(1025, 1), (0, (1 << 22) + 1)])
def test_the_writer_refuses_what_is_too_large_for_a_unit(config, payload):
    with pytest.raises(ValueError, match=r"at most \d+ expected"):
        StreamWriter(HEADER).key_picture(KeyPicture(0, ROW, bytes(config), bytes(payload)))


def test_the_writer_refuses_units_after_the_end():
    writer = StreamWriter(HEADER)
    writer.key_picture(KEY)
    writer.end()
    for again in (lambda: writer.key_picture(KEY), lambda: writer.parameters([Picture(1001, ROW)]), writer.end):
        with pytest.raises(ValueError):
            again()


@pytest.mark.parametrize("ticks", [0, -1, 1 << 31])
def test_the_writer_refuses_times_out_of_range(ticks):
    writer = StreamWriter(HEADER)
    writer.key_picture(KEY)
    with pytest.raises(ValueError):
        writer.parameters([Picture(ticks, ROW)])


def test_a_stream_without_its_end_is_refused_after_all_pictures():
    stream = small_stream()
    found, fault = read_until_fault(b"".join(stream.parts[:-1]), BitstreamError)
    assert found == stream.pictures
    assert "it was cut" in fault.message
    assert (fault.offset, fault.clause) == (len(stream.data) - len(stream.parts[-1]), "6.5")


@pytest.mark.parametrize("more", [b"\0", b"\0\0\0\0", b"GFV"])
def test_bytes_after_the_end_are_refused_after_all_pictures(more):
    stream = small_stream()
    found, fault = read_until_fault(stream.data + more, BitstreamError)
    assert found == stream.pictures
    assert (fault.message, fault.offset) == ("bytes after the END unit", len(stream.data))


def test_a_wrong_number_of_pictures_is_refused():
    stream = small_stream()
    units = payloads(stream.data)
    for wrong in (b"\x0e", b"\x10", b"\x00", b"\x8f\x00", b"\x0f\x00", b""):
        fault = refused(seal(stream.parts[0], [*units[:-1], (UnitType.END, wrong)]))
        assert fault.clause == "6.8"
        assert len(stream.data) - 4 <= fault.offset <= len(stream.data)


@pytest.mark.parametrize("payload", [b"", b"\0\x12\x80", bytes(100)])
def test_parameters_before_the_first_key_picture_are_refused(payload):
    fault = refused(seal(small_stream().parts[0], [(UnitType.PARAMETERS, payload)]))
    assert "parameters before the first key picture" in fault.message
    assert fault.clause == "6.5"


@pytest.mark.parametrize(
    "payload", ["", "00", "03112233", "0411223344", "80", "8000", "ffffff7f00", "0100", "02ffffff"]
)
def test_a_malformed_key_picture_is_refused(payload):
    fault = refused(seal(small_stream().parts[0], [(UnitType.KEY_PICTURE, bytes.fromhex(payload))]))
    assert fault.clause in ("6.6", "7.2", "7.3")
    assert fault.offset >= len(small_stream().parts[0])


@pytest.mark.parametrize("payload", ["", "00", "0000", "ff", "ff0000"])
def test_a_malformed_run_of_parameters_is_refused(payload):
    stream = build(HEADER, [KEY], end=False)
    units = [*payloads(stream.data), (UnitType.PARAMETERS, bytes.fromhex(payload))]
    fault = refused(seal(stream.parts[0], units))
    assert fault.clause in ("6.7", "7.2", "7.3")
    assert fault.offset >= len(stream.data)

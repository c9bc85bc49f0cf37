"""What a stream costs: every byte is counted once, and the fields of the report keep their names."""

import io
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import BitstreamError, KeyPicture, Picture, StreamTally, StreamWriter, read_report
from bitstream.header import read_header

from .streams import HEADER, build, few, payloads, small_stream

FIELDS = [
    "pictures",
    "key_pictures",
    "duration_s",
    "size_bytes",
    "kbps_total",
    "kbps_key",
    "kbps_parameters",
    "kbps_overhead",
    "width",
    "height",
    "family",
    "model",
]
ROW = (1,) * HEADER.layout.count


def report(data):
    return read_report(io.BytesIO(data))


@given(st.integers(0, 10000))
@few
def test_every_byte_of_a_stream_is_counted_once(seed):
    stream = small_stream(seed)
    tally = report(stream.data).tally
    assert tally.size_bytes == len(stream.data)
    sizes = dict.fromkeys(range(4), 0)
    for kind, payload in payloads(stream.data):
        sizes[kind] += len(payload)
    assert tally.key_bytes == sizes[1] + sizes[2]
    assert tally.parameter_bytes == sizes[3]
    assert tally.overhead_bytes == len(stream.data) - sizes[1] - sizes[2] - sizes[3]


@given(st.integers(0, 10000))
@few
def test_rates_add_up_to_the_total_and_to_the_size_of_the_file(seed):
    stream = small_stream(seed)
    summary = report(stream.data).tally.summary()
    ticks = sum(picture.ticks for picture in stream.pictures) + HEADER.picture_ticks
    duration = Fraction(ticks * HEADER.time_base[0], HEADER.time_base[1])
    assert summary.duration_s == pytest.approx(float(duration), abs=5e-7)
    # Rates are rounded to four decimals.
    assert summary.kbps_total == pytest.approx(float(len(stream.data) * 8 / 1000 / duration), abs=5.1e-5)
    parts = summary.kbps_key + summary.kbps_parameters + summary.kbps_overhead
    assert parts == pytest.approx(summary.kbps_total, abs=2.1e-4)


def test_writer_and_reader_count_the_same():
    stream = small_stream()
    writer = StreamWriter(HEADER)
    for run in stream.found:
        if run and isinstance(run[0], KeyPicture):
            writer.key_picture(run[0])
        elif run:
            writer.parameters(run)
    writer.end()
    assert writer.tally == report(stream.data).tally
    assert writer.tally.summary() == report(stream.data).tally.summary()


def test_the_fields_of_the_summary_keep_their_names_and_types():
    summary = report(small_stream().data).tally.summary().as_dict()
    assert list(summary) == FIELDS
    kinds = [int, int, float, int, float, float, float, float, int, int, str, str]
    assert [type(value) for value in summary.values()] == kinds


def test_the_summary_of_a_literal_stream():
    key = KeyPicture(0, ROW, b"sets", b"coded picture")
    stream = build(HEADER, [key, [Picture(1001, ROW)] * 29])
    summary = report(stream.data).tally.summary()
    assert (summary.pictures, summary.key_pictures) == (30, 1)
    assert summary.duration_s == 1.001
    assert summary.size_bytes == len(stream.data)
    assert (summary.width, summary.height, summary.family, summary.model) == (256, 320, "keypoints2d", "face-1.0")


def test_a_stream_without_pictures_has_no_rate():
    summary = report(build(HEADER, []).data).tally.summary()
    assert (summary.pictures, summary.duration_s) == (0, 0)
    assert (summary.kbps_total, summary.kbps_key, summary.kbps_parameters, summary.kbps_overhead) == (0, 0, 0, 0)
    assert summary.size_bytes == len(build(HEADER, []).data)


def test_groups_of_pictures_state_where_they_begin_and_what_they_hold():
    stream = small_stream()
    tally = report(stream.data).tally
    assert [(group["first_picture"], group["pictures"]) for group in tally.groups] == [(0, 9), (9, 6)]
    assert sum(group["parameter_bytes"] for group in tally.groups) == tally.parameter_bytes
    configs = sum(len(payload) for kind, payload in payloads(stream.data) if kind == 1)
    assert sum(group["key_bytes"] for group in tally.groups) + configs == tally.key_bytes


def test_a_report_has_a_row_for_each_unit():
    stream = small_stream()
    rows = report(stream.data).units
    assert [list(row) for row in rows] == [["offset", "type", "size_bytes", "pictures"]] * len(rows)
    assert [row["size_bytes"] for row in rows] == [len(part) for part in stream.parts[1:]]
    assert [row["pictures"] for row in rows] == [len(found) for found in stream.found[1:]]
    assert {row["type"] for row in rows} == {"key_config", "key_picture", "parameters", "end"}
    assert rows[0]["offset"] == len(stream.parts[0])


def test_a_report_of_a_cut_stream_counts_what_is_whole_and_states_the_fault():
    stream = small_stream()
    whole = b"".join(stream.parts[:4])
    found = report(whole + stream.parts[4][:-1])
    assert isinstance(found.error, BitstreamError)
    assert found.tally.size_bytes == len(whole)
    assert found.tally.pictures == 5
    assert report(stream.data).error is None


def test_a_report_needs_a_header():
    with pytest.raises(BitstreamError):
        report(b"not a stream")


def test_counting_starts_with_the_header():
    head, size, _ = read_header(io.BytesIO(HEADER.to_bytes()))
    assert StreamTally(head, size).size_bytes == len(HEADER.to_bytes())

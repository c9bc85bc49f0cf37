"""`check_stream` lists what is wrong and goes on where it can."""

import io
import random

import pytest

from bitstream import BitstreamError, KeyPicture, Picture, UnitType
from bitstream.check import MAX_VIOLATIONS, check_stream
from bitstream.nal import pack_nal_units

from .streams import HEADER, build, header, payloads, seal

SETS = pack_nal_units([bytes.fromhex("42010105"), bytes.fromhex("4401c172")])
CODED = pack_nal_units([bytes.fromhex("2801af1d")])
ROW = (3,) * HEADER.layout.count
RUN = [Picture(1001, ROW)] * 4


def key(ticks=1001, config=SETS, payload=CODED):
    return KeyPicture(ticks, ROW, config, payload)


STREAM = build(HEADER, [key(), RUN, RUN, key(), RUN])


def check(data):
    return check_stream(io.BytesIO(data))


def clauses(report):
    return [violation.clause for violation in report.violations]


def test_a_conforming_stream_has_no_violations():
    report = check(STREAM.data)
    assert report.conforming
    assert (report.units, report.pictures) == (len(STREAM.parts) - 1, 14)


def test_a_header_that_cannot_be_read_is_an_error():
    with pytest.raises(BitstreamError):
        check(b"GFV")


def test_after_a_damaged_unit_the_next_key_picture_is_judged_again():
    damaged = bytearray(STREAM.parts[3])
    damaged[1] ^= 1
    report = check(b"".join([*STREAM.parts[:3], bytes(damaged), *STREAM.parts[4:]]))
    assert clauses(report) == ["6.4"]
    assert report.violations[0].offset == len(b"".join(STREAM.parts[:3]))
    assert report.units == len(STREAM.parts) - 1


def test_where_the_first_picture_is_lost_the_next_key_picture_has_its_time():
    damaged = bytearray(STREAM.parts[2])
    damaged[-1] ^= 1
    report = check(b"".join([*STREAM.parts[:2], bytes(damaged), *STREAM.parts[3:]]))
    assert clauses(report) == ["6.4"]
    assert report.pictures == 5


def test_parameters_after_the_next_key_picture_are_judged_again():
    units = payloads(STREAM.data)
    units[2] = units[5] = (UnitType.PARAMETERS, b"\0\0")
    assert [kind for kind, _ in units[4:6]] == [UnitType.KEY_PICTURE, UnitType.PARAMETERS]
    assert clauses(check(seal(STREAM.parts[0], units))) == ["7.3", "7.3"]


def test_a_cut_stream_is_reported():
    assert clauses(check(b"".join(STREAM.parts[:-1]))) == ["6.5"]
    assert clauses(check(STREAM.data[:-1])) == ["6.4"]


def test_units_after_the_end_and_repeated_parameter_sets_are_reported():
    units = payloads(STREAM.data)
    assert "6.5" in clauses(check(seal(STREAM.parts[0], [*units, units[0]])))
    assert clauses(check(seal(STREAM.parts[0], [units[0], *units]))) == ["6.5"]


@pytest.mark.parametrize(
    ("config", "payload"),
    [
        (pack_nal_units([b"\x40\x01\x0c"]), CODED),
        (SETS, pack_nal_units([b"\x02\x01\xaf"])),
        (SETS, SETS),
        (b"\x05\x42\x01", CODED),
        (SETS, b"\0"),
        (b"", CODED),
        (SETS, pack_nal_units([b"\x28"])),
    ],
    ids=["a VPS", "not intra", "no picture", "cut sets", "empty unit", "no sets", "cut header"],
)
def test_what_a_key_picture_may_not_hold_is_reported(config, payload):
    report = check(build(HEADER, [key(0, config, payload)]).data)
    assert set(clauses(report)) == {"8.1"}


def test_an_av1_key_picture_needs_its_sequence_header():
    head = header(key_codec="av1")
    assert check(build(head, [key(0, b"sequence", b"frame")]).data).conforming
    assert clauses(check(build(head, [key(0, b"", b"frame")]).data)) == ["8.5"]


def test_garbage_gives_violations_and_no_other_error():
    rng = random.Random(4)
    units = payloads(STREAM.data)
    for _ in range(300):
        damaged = bytearray(STREAM.data)
        for _ in range(rng.randint(1, 10)):
            damaged[rng.randrange(len(STREAM.parts[0]), len(damaged))] ^= rng.randint(1, 255)
        assert not check(bytes(damaged)).conforming
        mixed = [(rng.choice(list(UnitType)), rng.randbytes(rng.randint(0, 8))) for _ in range(5)] + units
        assert not check(seal(STREAM.parts[0], rng.sample(mixed, len(mixed)))).conforming


def test_the_list_of_violations_is_bounded():
    units = [(UnitType.PARAMETERS, b"\0")] * (3 * MAX_VIOLATIONS)
    crowd = [(UnitType.KEY_CONFIG, b"same")] * (3 * MAX_VIOLATIONS)
    for data in (seal(STREAM.parts[0], units), seal(STREAM.parts[0], crowd)):
        assert 1 <= len(check(data).violations) <= MAX_VIOLATIONS

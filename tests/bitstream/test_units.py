"""Units: framing, limits and checksums that know a unit's place (SPEC.md clause 6.4)."""

import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import BitstreamError, UnitType
from bitstream.units import CHECKSUM_BYTES, MAX_PAYLOAD, checksum, leb128, read_unit, write_unit

from .streams import few

CRC = 0x01020304


class Narrow:
    """A source that fails the test when more than ``allowed`` bytes are asked for."""

    def __init__(self, data, allowed):
        self._source, self._left = io.BytesIO(data), allowed

    def read(self, size=-1):
        assert 0 <= size <= self._left, f"{size} bytes asked for, at most {self._left} needed"
        self._left -= size
        return self._source.read(size)


@given(st.sampled_from(UnitType), st.data(), st.integers(0, (1 << 32) - 1), st.integers(0, 1 << 40))
@few
def test_any_unit_round_trips(kind, data, crc, number):
    payload = data.draw(st.binary(max_size=min(MAX_PAYLOAD[kind], 400)))
    unit = write_unit(kind, payload, crc, number)
    source = io.BytesIO(unit + b"next")
    found = read_unit(source, 77, crc, number)
    assert (found.type, found.payload, found.offset, found.size) == (kind, payload, 77, len(unit))
    assert found.payload_offset == 77 + len(leb128(len(payload) << 2))
    assert source.read() == b"next"


def test_units_match_the_literal_bytes():
    assert write_unit(UnitType.END, b"\x05", CRC, 9).hex() == "0405a261"
    assert write_unit(UnitType.PARAMETERS, b"abc", CRC, 1).hex() == "0f6162636d8f"
    assert write_unit(UnitType.KEY_CONFIG, b"sets", CRC, 0).hex() == "11736574734699e31c"


def test_checksums_cover_stream_number_and_bytes():
    seeded = bytes.fromhex("0102030400000009") + b"covered"
    assert checksum(UnitType.KEY_PICTURE, CRC, 9, b"covered") == zlib.crc32(seeded).to_bytes(4, "big")
    # CRC-16/XMODEM of "123456789" is 0x31c3; the seed is eight bytes of zeros here, which leave it at 0.
    assert checksum(UnitType.PARAMETERS, 0, 0, b"123456789").hex() == "31c3"
    assert {kind: CHECKSUM_BYTES[kind] for kind in UnitType} == {0: 2, 1: 4, 2: 4, 3: 2}


def test_no_unit_is_read_at_the_end_of_the_source():
    assert read_unit(io.BytesIO(b""), 0, CRC, 0) is None


@pytest.mark.parametrize("kind", UnitType)
def test_the_largest_payload_is_read_and_one_byte_more_is_not_written(kind):
    largest = bytes(MAX_PAYLOAD[kind])
    assert read_unit(io.BytesIO(write_unit(kind, largest, CRC, 0)), 0, CRC, 0).payload == largest
    with pytest.raises(ValueError, match=f"at most {MAX_PAYLOAD[kind]} expected"):
        write_unit(kind, largest + b"\0", CRC, 0)


@pytest.mark.parametrize("kind", UnitType)
def test_a_size_over_the_limit_is_refused_before_the_payload_is_read(kind):
    start = leb128((MAX_PAYLOAD[kind] + 1) << 2 | kind)
    with pytest.raises(BitstreamError, match=f"at most {MAX_PAYLOAD[kind]} expected") as caught:
        read_unit(Narrow(start + bytes(100), len(start)), 1000, CRC, 0)
    assert (caught.value.offset, caught.value.clause) == (1000, "6.4")


@pytest.mark.parametrize("start", ["80808080", "ffffffff", "8700", "83808000"])
def test_an_overlong_unit_header_is_refused_before_anything_else_is_read(start):
    data = bytes.fromhex(start)
    with pytest.raises(BitstreamError, match="leb128") as caught:
        read_unit(Narrow(data + bytes(100), len(data)), 50, CRC, 0)
    assert (caught.value.offset, caught.value.clause) == (50, "6.4")


def test_every_cut_of_a_unit_is_refused_at_its_end():
    unit = write_unit(UnitType.KEY_PICTURE, bytes(100), CRC, 0)
    for size in range(1, len(unit)):
        with pytest.raises(BitstreamError, match="bytes missing") as caught:
            read_unit(io.BytesIO(unit[:size]), 10, CRC, 0)
        assert (caught.value.offset, caught.value.clause) == (10 + size, "6.4")


@pytest.mark.parametrize(("crc", "number"), [(CRC, 4), (CRC, 6), (CRC ^ 1, 5), (CRC ^ 1 << 31, 5)])
@pytest.mark.parametrize("kind", UnitType)
def test_a_unit_of_another_place_or_stream_is_refused(kind, crc, number):
    unit = write_unit(kind, b"payload", CRC, 5)
    with pytest.raises(BitstreamError, match="damaged or out of place") as caught:
        read_unit(io.BytesIO(unit), 33, crc, number)
    assert (caught.value.offset, caught.value.clause) == (33, "6.4")

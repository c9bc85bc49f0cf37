"""NAL units of a byte stream and SEI messages in them (SPEC.md clauses C.2 and C.3)."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import BitstreamError
from bitstream.annexb import MAX_NAL_BYTES, NalUnit, codec_of, read_nal_units, write_nal_unit
from bitstream.detect import detect
from bitstream.sei.access_unit import AccessUnits
from bitstream.sei.payload import parse_sei, sei_position, write_sei

from .streams import few

CODECS = ("avc", "hevc", "vvc")


class Dribble(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step = data, step

    def read(self, size: int = -1) -> bytes:
        part, self._data = self._data[: self._step], self._data[self._step :]
        return part


def units(data: bytes, codec: str = "hevc") -> list[bytes]:
    return [nal.data for nal in read_nal_units(io.BytesIO(data), codec)]


def message_unit(codec: str, data: bytes, offset: int = 0) -> NalUnit:
    return NalUnit(codec, data, offset)


@given(
    payloads=st.lists(st.lists(st.sampled_from((0, 0, 1, 2, 3, 255)), max_size=40).map(bytes), min_size=1, max_size=5),
    step=st.integers(1, 9),
    zeros=st.integers(0, 3),
)
@few
def test_units_come_back_with_their_offsets_however_the_stream_arrives(payloads, step, zeros):
    nals = [write_nal_unit(b"\x4e\x01", payload + b"\x80") for payload in payloads]
    stream = b"".join(b"\0" * zeros + b"\0\0\1" + nal for nal in nals)
    found = list(read_nal_units(Dribble(stream, step), "hevc"))
    assert [nal.data for nal in found] == nals
    assert all(stream[nal.offset :].startswith(nal.data) for nal in found)
    for nal, payload in zip(found, payloads, strict=True):
        rbsp = nal.rbsp()
        assert rbsp.data == b"\x4e\x01" + payload + b"\x80"
        assert not rbsp.faults
        assert all(rbsp.data[i] == nal.data[rbsp.raw(i)] for i in range(len(rbsp.data)))


@pytest.mark.parametrize(
    ("pattern", "position"), [("000002", 1), ("00000304", 1), ("00000000", 1), ("000003000002", 4)]
)
def test_patterns_that_no_unit_may_hold_are_found(pattern, position):
    nal = message_unit("hevc", b"\x4e" + bytes.fromhex(pattern) + b"\x80")
    assert nal.rbsp().faults[0] == position


def test_emulation_prevention_at_the_end_is_no_fault():
    assert not message_unit("avc", bytes.fromhex("6500000300000301")).rbsp().faults
    assert not message_unit("avc", bytes.fromhex("65000003")).rbsp().faults


@pytest.mark.parametrize(
    ("data", "offset"), [(b"", 0), (b"\0\0\0\0", 4), (b"\0\0abc\0\0\1x", 2), (b"no start code", 0)]
)
def test_what_is_no_byte_stream_is_refused(data, offset):
    with pytest.raises(BitstreamError, match="start code") as caught:
        units(data)
    assert caught.value.offset == offset


def test_a_unit_without_end_is_refused_in_bounded_memory():
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += 1 << 16
            return b"\0\0\1" + b"\xaa" * ((1 << 16) - 3) if self.given == 1 << 16 else b"\xaa" * (1 << 16)

    source = Endless()
    with pytest.raises(BitstreamError, match=str(MAX_NAL_BYTES)):
        list(read_nal_units(source, "avc"))
    assert source.given < MAX_NAL_BYTES + (1 << 18)


@given(
    messages=st.lists(
        st.tuples(st.sampled_from((0, 5, 223, 224, 254, 255, 256, 600)), st.binary(max_size=700)),
        min_size=1,
        max_size=4,
    ),
    codec=st.sampled_from(CODECS),
)
@few
def test_sei_messages_round_trip(messages, codec):
    for suffix in (False, True)[: 1 + (codec != "avc")]:
        data = write_sei(codec, messages, suffix=suffix)
        found = parse_sei(message_unit(codec, data, 100))
        assert [(message.type, message.payload) for message in found] == messages
        assert {message.position for message in found} == {"suffix" if suffix else "prefix"}
        for message in found:
            for index in range(0, len(message.payload), 37):
                assert data[message.place(index) - 100] == message.payload[index]


def test_type_and_size_take_bytes_of_255():
    data = write_sei("hevc", [(511, bytes(255))], suffix=True)
    assert data[:6].hex() == "5001ffff01ff"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("4e01", "trailing bits"),
        ("4e01df0101", "trailing bits"),
        ("4e01df0280", "payload_size 2, 0 bytes left"),
        ("4e01ffff80", "payload_type is cut"),
        ("4e01dfff80", "payload_size is cut"),
        ("4e0180", "without message"),
        ("4001df0180", "NAL unit of type 32"),
    ],
)
def test_damaged_sei_is_named(data, said):
    with pytest.raises(BitstreamError, match=said) as caught:
        parse_sei(message_unit("hevc", bytes.fromhex(data), 7))
    assert caught.value.offset >= 7


@pytest.mark.parametrize(
    ("codec", "messages", "suffix"), [("avc", [(1, b"")], True), ("hevc", [], False), ("hevc", [(-1, b"")], False)]
)
def test_sei_that_cannot_be_written_is_refused(codec, messages, suffix):
    with pytest.raises(ValueError, match="SEI|payload type"):
        write_sei(codec, messages, suffix=suffix)


@pytest.mark.parametrize(
    ("head", "codec"),
    [
        ("6742", "avc"),
        ("0910", "avc"),
        ("0605", "avc"),
        ("2764", "avc"),
        ("4001", "hevc"),
        ("4201", "hevc"),
        ("4601", "hevc"),
        ("4e01", "hevc"),
        ("0079", "vvc"),
        ("00a1", "vvc"),
        ("0071", "vvc"),
        ("8000", None),
        ("0000", None),
        ("ff", None),
        ("7fff", None),
    ],
)
def test_codec_is_told_by_the_first_header(head, codec):
    assert codec_of(bytes.fromhex(head)) == codec
    if codec:
        stream = b"\0\0\0\1" + bytes.fromhex(head) + b"\x80"
        kind, source = detect(Dribble(stream, 1))
        assert kind == codec
        assert b"".join(iter(lambda: source.read(3), b"")) == stream


def test_gfv_is_told_by_its_magic_and_the_rest_refused():
    kind, source = detect(io.BytesIO(b"GFV\x01rest"))
    assert (kind, source.read()) == ("gfv", b"GFV\x01rest")
    for data in (b"", b"RIFF1234", b"\0\0\1", b"\0\0\0\1\x80\0\0", bytes(5000)):
        with pytest.raises(BitstreamError, match="expected"):
            detect(io.BytesIO(data))


def test_prefix_and_suffix_are_told_apart():
    assert [sei_position(message_unit("hevc", bytes((kind << 1, 1)))) for kind in (39, 40, 33)] == [
        "prefix",
        "suffix",
        None,
    ]
    assert sei_position(message_unit("avc", b"\x06")) == "prefix"
    assert sei_position(message_unit("vvc", b"\x00\xc1")) == "suffix"


@pytest.mark.parametrize(
    ("codec", "heads", "numbers"),
    [
        ("avc", ["6780", "6880", "0680", "6580", "6500", "0680", "6580", "6580", "0b80"], [0, 0, 0, 0, 0, 1, 1, 2, 2]),
        ("hevc", ["400180", "260180", "500180", "260180", "500180", "4a0180"], [0, 0, 0, 1, 1, 1]),
        ("vvc", ["007980", "004180", "00c180", "009980", "004100", "00c180"], [0, 0, 0, 1, 1, 1]),
    ],
)
def test_access_units_begin_with_the_first_slice_or_what_leads_it(codec, heads, numbers):
    access = AccessUnits()
    assert [access.enter(message_unit(codec, bytes.fromhex(head))) for head in heads] == numbers

"""NAL units: byte stream, length-prefixed form, and the VPS made from an SPS (SPEC.md clauses 8.1 and 8.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import BitstreamError
from bitstream.bits import BitReader
from bitstream.nal import (
    MAX_UNITS,
    add_emulation_prevention,
    hevc_vps,
    join_annex_b,
    nal_type,
    pack_nal_units,
    split_annex_b,
    unpack_nal_units,
)

from .streams import few

# Parameter sets of x265 for a picture of 256 by 256.
SPS = bytes.fromhex("4201010408000003009fa800000300003ca00808040596ea491b6b9a0020")
VPS = bytes.fromhex("40010c01ffff0408000003009fa800000300003cba0240")
# NAL units as an encoder makes them: they do not end in a zero byte and hold no start code.
NALS = st.lists(st.binary(min_size=1, max_size=30).map(add_emulation_prevention).map(lambda data: data + b"\x80"))


def without_emulation_prevention(data):
    return data.replace(b"\0\0\3", b"\0\0")


def vps_fields(nal):
    """The fields of a VPS of one layer and one sub-layer, H.265 clause 7.3.2.1."""
    r = BitReader(without_emulation_prevention(nal), clause="8.3")
    fixed = (
        ("nal_unit_header", 16),
        ("vps_video_parameter_set_id", 4),
        ("vps_base_layer_flags", 2),
        ("vps_max_layers_minus1", 6),
        ("vps_max_sub_layers_minus1", 3),
        ("vps_temporal_id_nesting_flag", 1),
        ("vps_reserved_0xffff_16bits", 16),
        ("profile_tier_level", 96),
    )
    fields = {name: r.u(bits, name) for name, bits in fixed}
    fields["vps_sub_layer_ordering_info_present_flag"] = r.u(1, "flag")
    for name in ("vps_max_dec_pic_buffering_minus1", "vps_max_num_reorder_pics", "vps_max_latency_increase_plus1"):
        fields[name] = r.ue(name, 16)
    fields["vps_max_layer_id"] = r.u(6, "vps_max_layer_id")
    fields["vps_num_layer_sets_minus1"] = r.ue("vps_num_layer_sets_minus1", 1023)
    for name in ("vps_timing_info_present_flag", "vps_extension_flag", "rbsp_stop_one_bit"):
        fields[name] = r.u(1, name)
    r.end()
    return fields


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("", []),
        ("6588", []),
        ("0000016588", ["6588"]),
        ("000000016588", ["6588"]),
        ("0000000000016588", ["6588"]),
        ("00000001674200000001680000016588000000", ["6742", "68", "6588"]),
        ("000001670000030100000165", ["6700000301", "65"]),
        ("000001000001", []),
        ("00000100000000016588", ["6588"]),
    ],
)
def test_a_byte_stream_is_split_into_nal_units_none_of_them_empty(data, expected):
    assert [unit.hex() for unit in split_annex_b(bytes.fromhex(data))] == expected


def test_a_byte_stream_is_joined_with_short_start_codes():
    assert join_annex_b([b"\x67\x42", b"\x65"]).hex() == "000001674200000165"


@given(NALS)
@few
def test_both_forms_round_trip(units):
    assert split_annex_b(join_annex_b(units)) == units
    if len(units) <= MAX_UNITS:
        assert unpack_nal_units(pack_nal_units(units)) == units


def test_the_length_prefixed_form_matches_the_literal_bytes():
    packed = "026742016f8101" + "11" * 129
    units = [b"\x67\x42", b"\x6f", b"\x11" * 129]
    assert pack_nal_units(units).hex() == packed
    assert unpack_nal_units(bytes.fromhex(packed)) == units
    assert unpack_nal_units(b"") == []


@pytest.mark.parametrize(
    ("data", "offset"), [("00", 0), ("016700", 2), ("0267", 0), ("0167056868", 2), ("80", 0), ("01678100", 2)]
)
def test_an_illegal_length_is_refused_where_it_stands(data, offset):
    with pytest.raises(BitstreamError) as caught:
        unpack_nal_units(bytes.fromhex(data))
    assert (caught.value.offset, caught.value.clause) == (offset, "8.1")


def test_more_nal_units_than_the_limit_are_refused():
    assert len(unpack_nal_units(pack_nal_units([b"\x67"] * MAX_UNITS))) == MAX_UNITS
    with pytest.raises(BitstreamError, match=f"more than {MAX_UNITS}"):
        unpack_nal_units(pack_nal_units([b"\x67"] * (MAX_UNITS + 1)))


@pytest.mark.parametrize(
    ("codec", "data", "expected"),
    [
        ("avc", "65", 5),
        ("avc", "67", 7),
        ("avc", "", -1),
        ("hevc", "4001", 32),
        ("hevc", "4201", 33),
        ("hevc", "2801", 20),
        ("hevc", "42", -1),
        ("vvc", "0079", 15),
        ("vvc", "0041", 8),
        ("vvc", "00", -1),
    ],
)
def test_the_type_of_a_nal_unit_is_read_from_its_header(codec, data, expected):
    assert nal_type(codec, bytes.fromhex(data)) == expected


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        ("000000", "00000300"),
        ("000001", "00000301"),
        ("000003", "00000303"),
        ("000004", "000004"),
        ("0000000000", "00000300000300"),
        ("00010001", "00010001"),
    ],
)
def test_emulation_prevention_matches_the_literal_bytes(plain, escaped):
    assert add_emulation_prevention(bytes.fromhex(plain)).hex() == escaped


@given(st.lists(st.integers(0, 4), max_size=60).map(bytes))
@few
def test_emulation_prevention_leaves_no_start_code_and_can_be_undone(data):
    escaped = add_emulation_prevention(data)
    assert not any(code in escaped for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))
    assert without_emulation_prevention(escaped) == data


def test_the_vps_agrees_with_the_encoders_own_but_for_the_buffering():
    ours, theirs = vps_fields(hevc_vps(SPS)), vps_fields(VPS)
    for name in ("vps_max_dec_pic_buffering_minus1", "vps_max_num_reorder_pics", "vps_max_latency_increase_plus1"):
        ours.pop(name), theirs.pop(name)
    assert ours == theirs
    assert nal_type("hevc", hevc_vps(SPS)) == 32


def test_the_vps_takes_profile_tier_and_level_from_the_sps():
    plain = without_emulation_prevention(SPS)
    assert vps_fields(hevc_vps(SPS))["profile_tier_level"] == int.from_bytes(plain[3:15], "big")


@pytest.mark.parametrize("size", [0, 2, 14, 16])
def test_an_sps_that_is_too_short_is_refused(size):
    with pytest.raises(BitstreamError, match="at least 15 expected") as caught:
        hevc_vps(SPS[:size])
    assert caught.value.clause == "8.3"

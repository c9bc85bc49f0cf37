"""Syntax of GFV and GFVE messages (SPEC.md clauses C.4 and C.5): round trips, literal bytes, ranges, references."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream.bits import BitWriter
from bitstream.sei.describe import describe
from bitstream.sei.messages import (
    AJ0207,
    AM0334,
    SYNTAXES,
    ChromaKey,
    Coordinates,
    GfveMessage,
    GfvMessage,
    Matrices,
    MatrixGroup,
    NeuralNetwork,
    Pupils,
)
from bitstream.sei.parser import GfvParser, GfvWriter
from bitstream.sei.payload import GFV, GFVE

from .sei_messages import gfv_messages, gfve_messages
from .streams import few

seeds = st.integers(0, 1 << 32)


def base(**changes) -> GfvMessage:
    return GfvMessage(1, 0, 1, **({"coordinates": Coordinates(0, 8, None, [[1, -2], [0, 4]])} | changes))


def driven(cnt=1, values=((1, 0), (0, -1)), **changes) -> GfvMessage:
    return GfvMessage(1, cnt, coordinates=Coordinates(1, 8, None, [list(v) for v in values]), **changes)


def payload(*fields) -> bytes:
    """Fields as in test_bits: (value, bits) for u(n), a number for ue(v), then the payload's tail."""
    writer = BitWriter()
    for field in fields:
        writer.u(*field) if isinstance(field, tuple) else writer.ue(field)
    if writer.position % 8:
        writer.u(1, 1)
    return writer.to_bytes()


@pytest.mark.parametrize("syntax", SYNTAXES)
@given(seed=seeds)
@few
def test_gfv_messages_round_trip(syntax, seed):
    writer, parser = GfvWriter(syntax, allow_quirks=True), GfvParser(syntax)
    for message in gfv_messages(seed, syntax):
        data, trace = writer.write_traced(copy.deepcopy(message))
        parsed = parser.parse(GFV, data)
        assert not parsed.violations
        assert parsed.elements == trace.elements
        assert parsed.positions == trace.positions
        assert parsed.message == message
        assert describe(parsed)["id"] == message.id


@given(seed=seeds)
@few
def test_gfve_messages_round_trip(seed):
    writer, parser = GfvWriter(allow_quirks=True), GfvParser()
    for message in gfve_messages(seed):
        data, trace = writer.write_traced(copy.deepcopy(message))
        parsed = parser.parse(GFVE, data)
        assert not parsed.violations
        assert parsed.elements == trace.elements
        assert parsed.message == message


@given(data=st.binary(max_size=80), kind=st.sampled_from((GFV, GFVE)), syntax=st.sampled_from(SYNTAXES))
@few
def test_any_bytes_give_a_message_or_violations(data, kind, syntax):
    parsed = GfvParser(syntax).parse(kind, data)
    assert parsed.message is not None or parsed.violations
    assert all(0 <= fault.offset <= len(data) for fault in parsed.violations)


def test_a_base_message_from_literal_bits():
    # gfv_id 1, cnt 0, base, no network, no chroma key, confident, coordinates, unpredicted, 8 bits, 2 points, 2-D.
    head = [1, 0, (1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), 7, 1, (0, 1)]
    values = [1, (0, 1), 2, (1, 1), 0, 4, (0, 1)]
    assert GfvWriter().write(base()) == payload(*head, *values, (0, 1))


def test_the_two_forms_differ_in_the_fusion_flag():
    sizes = {}
    for syntax in SYNTAXES:
        writer = GfvWriter(syntax)
        writer.write(base())
        sizes[syntax] = len(writer.write_traced(driven())[1].elements)
        assert [name for name, _ in writer.write_traced(driven(0, fusion=1))[1].elements][3].endswith(
            "fusion_pic_flag"
        ) == (syntax == AM0334)
    assert sizes[AJ0207] == sizes[AM0334] + 1


def test_points_are_predicted_from_the_point_before_the_base_and_the_message_before():
    parser, writer = GfvParser(), GfvWriter()
    first = base(coordinates=Coordinates(1, 2, None, [[4, 4], [1, -1]]))
    found = [parser.parse(GFV, writer.write(m)) for m in (first, driven(1), driven(2), driven(0))]
    assert [value["kps"] for value in map(describe, found)] == [
        [[1, 1], [1.25, 0.75]],
        [[1.25, 1], [1.25, 0.5]],
        [[1.5, 1], [1.25, 0.25]],
        [[1.25, 1], [1.25, 0.5]],
    ]


def test_a_message_without_points_leaves_the_reference_as_it_was():
    parser, writer = GfvParser(), GfvWriter()
    plain = GfvMessage(1, 2, matrices=Matrices(0, 4, [MatrixGroup(7, 1, 1, 1, [8])]))
    found = [parser.parse(GFV, writer.write(m)) for m in (base(), driven(1), plain, driven(3))]
    assert describe(found[3])["kps"][0] == [3 / 256, -2 / 256]
    assert describe(found[2])["matrices"] == [{"type": 7, "elems": [[[0.5]]]}]


def test_another_precision_of_an_unpredicted_message_stays_exact():
    parser, writer = GfvParser(), GfvWriter()
    fine = GfvMessage(1, 1, coordinates=Coordinates(0, 20, None, [[1, 0], [0, 0]]))
    found = [parser.parse(GFV, writer.write(m)) for m in (base(), fine, driven(2))]
    assert describe(found[2])["kps"][0] == [1 / 2**20 + 1 / 256, 0]


def test_state_is_kept_for_each_identifier():
    writer, parser = GfvWriter(allow_quirks=True), GfvParser()
    other = base(coordinates=Coordinates(0, 8, None, [[100, 100]]))
    other.id = 2
    parsed = [parser.parse(GFV, writer.write(m)) for m in (base(), other, driven(1))]
    assert describe(parsed[2])["kps"] == [[2 / 256, -2 / 256], [0, 3 / 256]]
    assert [quirk.kind for quirk in parsed[2].quirks] == ["a"]


def test_the_right_pupil_starts_from_the_left_and_pupils_are_carried_on():
    writer, parser = GfvWriter(), GfvParser()
    messages = [
        GfveMessage(4, 1, 0, 1, pupils=Pupils(2, [1, 2], None)),
        GfveMessage(4, 1, 1, pupils=Pupils(2, None, [1, 0])),
        GfveMessage(4, 1, 2),
        GfveMessage(4, 1, 0, pupils=Pupils(2, [1, 1], None)),
    ]
    found = [describe(parser.parse(GFVE, writer.write(m))) for m in messages]
    assert [value["pupils"] for value in found] == [
        [0.25, 0.5, 0.25, 0.5],
        [0.25, 0.5, 0.5, 0.5],
        [0.25, 0.5, 0.5, 0.5],
        [0.5, 0.75, 0.25, 0.5],
    ]
    assert [value["pupil_idx"] for value in found] == [1, 2, 0, 1]


def test_a_fraction_is_carried_into_the_integer_when_written_and_read_either_way():
    writer, parser = GfvWriter(), GfvParser()
    group = [MatrixGroup(7, 1, 1, 1, [3])]
    parser.parse(GFV, writer.write(GfvMessage(1, 0, 1, matrices=Matrices(0, 2, group))))
    data, trace = writer.write_traced(GfvMessage(1, 1, matrices=Matrices(1, 2, [MatrixGroup(7, 1, 1, 1, [4])])))
    assert trace.elements[-3:-1] == [("gfv_matrix_delta_element_int", 1), ("gfv_matrix_delta_element_dec", 0)]
    uncarried = payload(1, 1, (0, 1), (0, 1), (1, 1), (1, 1), 0, 4, (0, 1))
    assert describe(copy.deepcopy(parser).parse(GFV, data)) == describe(parser.parse(GFV, uncarried))
    assert parser.parse(GFV, uncarried).quirks[0].kind == "f"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (GfvMessage(1, 0, 1), "neither coordinates nor matrices"),
        (base(coordinates=Coordinates(0, 33, None, [[0, 0]])), "precision_factor_minus1 is 32, 0..31"),
        (base(coordinates=Coordinates(0, 8, 70000, [[0, 0, 0]])), "z_max_value_minus1 is 69999, 0..65535"),
        (base(coordinates=Coordinates(0, 8, None, [])), "num_kps_minus1 is -1"),
        (base(coordinates=Coordinates(0, 8, None, [[0, 0, 0]])), "1 points of 2 values"),
        (base(chroma_key=ChromaKey(3)), "purpose_idc is 3, 0..2"),
        (base(chroma_key=ChromaKey(lower=3)), "both or none"),
        (base(chroma_key=ChromaKey(lower=9, upper=9)), "upper_delta_minus1 is -1, 0..255"),
        (base(chroma_key=ChromaKey(values=[256, None, None])), "chroma_key_value is 256, 0..255"),
        (base(nn=NeuralNetwork(2)), "nn_mode_idc is 2, 0..1"),
        (base(nn=NeuralNetwork(1, "a\0b", "")), "no zero byte"),
        (GfvMessage((1 << 32) - 1, 0, 1), "gfv_id is 4294967295"),
        (driven(), "no base message before has coordinates"),
        (GfvMessage(1, 3, 1), "0 in a base message"),
        (driven(1, fusion=1), "fusion"),
        (base(matrices=Matrices(0, 8, [MatrixGroup(7, 1, 2, 2, [0])])), "matrix elements is 1, 4"),
        (base(matrices=Matrices(0, 8, [MatrixGroup(4, 1, 3, 3, [0] * 9)])), "2x2"),
        (base(matrices=Matrices(0, 8, [MatrixGroup(0, 1025, 2, 2)])), "num_matrices_info is 1023|matrix elements"),
        (base(matrices=Matrices(0, 8, [MatrixGroup(9, 1, 1024, 1024)])), "at most 32768 matrix elements"),
        (GfvMessage(1, 0, 1, matrices=Matrices(0, 8, [MatrixGroup(0, 1, 2, 2)])), "2..63 without coordinates"),
        (GfveMessage(1, 1, 1, pupils=Pupils(2, [1, 1], None)), "no base message before has pupils"),
        (GfveMessage(1, 1, 0, 1, pupils=Pupils(2, [9, 1], None)), "coordinate_abs is 9, 0..8"),
        (GfveMessage(1, 1, 1, matrices=Matrices(1, 2)), "no base message before has matrices"),
    ],
)
def test_writer_refuses_what_is_out_of_range(message, said):
    with pytest.raises(ValueError, match=said):
        GfvWriter().write(message)


@pytest.mark.parametrize(
    ("kind", "messages"),
    [
        ("a", [base(), GfvMessage(2, 0, 1, coordinates=Coordinates(0, 8, None, [[0, 0]])), driven()]),
        (
            "b",
            [
                GfvMessage(1, 0, 1, matrices=Matrices(0, 2, [MatrixGroup(7, 1, 1, 1, [1])])),
                GfvMessage(1, 1, matrices=Matrices(1, 2, [MatrixGroup(7, 1, 1, 1, [1])])),
                GfvMessage(1, 0, matrices=Matrices(1, 2, [MatrixGroup(7, 1, 1, 1, [1])])),
            ],
        ),
        (
            "c",
            [
                GfvMessage(
                    1, 0, 1, matrices=Matrices(0, 2, [MatrixGroup(2, elements=[1]), MatrixGroup(5, 1, 2, 1, [1, 2])])
                )
            ],
        ),
        (
            "d",
            [
                GfvMessage(1, 0, 1, matrices=Matrices(0, 2, [MatrixGroup(7, 1, 1, 1, [1])])),
                GfvMessage(1, 0, 1, matrices=Matrices(0, 2, [MatrixGroup(7, 1, 1, 2, [1, 2])])),
            ],
        ),
        ("e", [base(coordinates=Coordinates(0, 31, None, [[0, 0]]))]),
        ("i", [GfvMessage(300, 0, 1, coordinates=Coordinates(0, 8, None, [[0, 0]]))]),
        ("e", [base(coordinates=Coordinates(0, 3, None, [[1 << 31, 0]]))]),
    ],
)
def test_quirks_are_refused_by_default_and_noted_by_the_reader(kind, messages):
    strict, free, parser = GfvWriter(), GfvWriter(allow_quirks=True), GfvParser()
    for message in messages[:-1]:
        strict.write(copy.deepcopy(message))
    with pytest.raises(ValueError, match=f"C.7 {kind}"):
        strict.write(copy.deepcopy(messages[-1]))
    parsed = [parser.parse(GFV, free.write(message)) for message in messages]
    assert [quirk.kind for quirk in parsed[-1].quirks] == [kind]
    assert not parsed[-1].violations


@pytest.mark.parametrize(
    ("kind", "fields", "element", "allowed"),
    [
        (GFV, [1, 0, (1, 1), (0, 1), (0, 1), (0, 1), (0, 1), (0, 1)], "gfv_matrix_present_flag", "1"),
        (
            GFV,
            [1, 0, (1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), 32],
            "gfv_coordinate_precision_factor_minus1",
            "0..31",
        ),
        (GFV, [1, 1, (0, 1), (1, 1), (1, 1)], "gfv_kps_pred_flag", "0"),
        (
            GFV,
            [1, 0, (1, 1), (0, 1), (1, 1), 3, (0, 4), (0, 1), (1, 1), (0, 1), 7, 0, (0, 1), 0, 0, (0, 1)],
            "gfv_chroma_key_purpose_idc",
            "0..2",
        ),
        (
            GFV,
            [1, 0, (1, 1), (0, 1), (0, 1), (0, 1), (0, 1), (1, 1), 7, 0, (1, 6)],
            "gfv_matrix_type_idx",
            "2..63 without coordinates",
        ),
        (
            GFV,
            [1, 0, (1, 1), (0, 1), (0, 1), (0, 1), (0, 1), (1, 1), 7, 0, (7, 6), 1024],
            "gfv_num_matrices_minus1",
            "0..1023",
        ),
        (
            GFV,
            [1, 0, (1, 1), (0, 1), (0, 1), (0, 1), (0, 1), (1, 1), 7, 0, (7, 6), 1023, 1023, 1],
            "gfv_matrix_height_minus1",
            "at most 32768 matrix elements",
        ),
        (
            GFVE,
            [1, 1, 0, (1, 1), (0, 1), (0, 1), (1, 2), 1, 9, (0, 1), 0],
            "gfve_pupil_left_eye_dx_coordinate_abs",
            "0..8",
        ),
        (GFVE, [1, 1, 1, (0, 1), (3, 2)], "gfve_pupil_coordinate_present_idx", "0"),
    ],
)
def test_reader_names_element_value_and_range(kind, fields, element, allowed):
    data = payload(*fields)
    (fault,) = GfvParser().parse(kind, data).violations
    assert (fault.element, fault.allowed) == (element, allowed)
    assert fault.clause.startswith("C.")
    assert (fault.offset, fault.bit) <= (len(data), 7)


def test_every_cut_of_a_message_is_a_violation_at_its_end():
    data = GfvWriter().write(base(nn=NeuralNetwork(1, "tag:a,2026:b", "c:d")))
    for size in range(len(data)):
        faults = GfvParser().parse(GFV, data[:size]).violations
        assert faults
        assert all(fault.offset <= size for fault in faults)


def test_tail_of_a_payload():
    data = GfvWriter().write(base())
    assert not GfvParser().parse(GFV, data).quirks
    longer = GfvParser().parse(GFV, data + b"\xab\x80")
    assert [quirk.kind for quirk in longer.quirks] == ["h"]
    assert not longer.violations
    without = GfvParser().parse(GFV, GfvWriter().write(base(matrices=Matrices(0, 4, [MatrixGroup(7, 1, 1, 1, [0])]))))
    assert not without.violations


def test_network_payload_repeated_in_a_driven_message_is_explained():
    writer, parser = GfvWriter(), GfvParser()
    parser.parse(GFV, writer.write(base(nn=NeuralNetwork(0, payload=b"\x12\x34"))))
    data, trace = writer.write_traced(driven())
    bits = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}"
    length = trace.positions[-1] + 1
    repeated = int(bits[:length].ljust(-(-length // 8) * 8, "0"), 2).to_bytes(-(-length // 8), "big") + b"\x12\x34"
    parsed = parser.parse(GFV, repeated)
    assert [quirk.kind for quirk in parsed.quirks] == ["g"]
    assert parsed.unexplained == 0

"""The checker of elementary streams (SPEC.md Annex C), on shared vectors and on streams made here."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bitstream import BitstreamError
from bitstream.annexb import codec_of
from bitstream.detect import detect
from bitstream.sei.check import AUTO, SeiReport, check_sei_stream
from bitstream.sei.describe import as_json
from bitstream.sei.messages import SYNTAXES, Coordinates, GfvMessage, NeuralNetwork
from bitstream.sei.parser import GfvWriter
from bitstream.sei.payload import GFV, GFVE, write_sei
from bitstream.sei.uri import TAG_URI

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "conformance"
# The same bits in both forms: only the name of one flag differs, and no reader can tell.
SAME_BITS = {"driving_not_base"}
NAMES = sorted(str(path.relative_to(VECTORS)) for path in VECTORS.glob("*/*.json")) or ["none"]
SLICES = {"avc": b"\x65\x88\x80", "hevc": b"\x26\x01\x80", "vvc": b"\x00\x41\x80"}
SETS = {"avc": b"\x67\x80", "hevc": b"\x42\x01\x80", "vvc": b"\x00\x79\x80"}
START = b"\0\0\1"


def check(data: bytes, codec: str = "hevc", syntax: str = AUTO) -> tuple[SeiReport, list[dict]]:
    messages: list[dict] = []
    report = check_sei_stream(
        io.BytesIO(data),
        codec,
        syntax,
        lambda message, parsed: messages.append(as_json(parsed, message.position, len(message.payload))),
    )
    return report, messages


def group(codec: str = "hevc", payloads=(), *, suffix: bool | None = None, kind: int = GFV) -> bytes:
    """One access unit with a made-up slice and one SEI NAL unit for each payload."""
    suffix = codec != "avc" if suffix is None else suffix
    sei = b"".join(START + write_sei(codec, [(kind, payload)], suffix=suffix) for payload in payloads)
    picture = START + SLICES[codec]
    return START + SETS[codec] + (picture + sei if suffix else sei + picture)


def base(**changes) -> GfvMessage:
    return GfvMessage(1, 0, 1, coordinates=Coordinates(0, 8, None, [[1, -2], [0, 4]]), **changes)


def driven(cnt: int) -> GfvMessage:
    return GfvMessage(1, cnt, coordinates=Coordinates(1, 8, None, [[cnt, 3], [1, -1]]))


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the conformance streams are not here")
@pytest.mark.parametrize("name", NAMES)
def test_shared_vector_gives_exactly_its_values(name):
    expected = json.loads((VECTORS / name).read_text())
    data = (VECTORS / name).with_name(expected["file"]).read_bytes()
    assert detect(io.BytesIO(data))[0] == expected["codec"]
    report, messages = check(data, expected["codec"], expected["syntax"])
    assert report.conforming
    assert messages == expected["messages"]
    report, messages = check(data, expected["codec"])
    assert report.conforming
    assert [message["value"] for message in messages] == [message["value"] for message in expected["messages"]]
    if expected["name"] not in SAME_BITS:
        assert messages == expected["messages"]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("codec", list(SLICES))
def test_the_form_of_the_syntax_is_found(codec, syntax):
    writer = GfvWriter(syntax)
    messages = [base(), driven(1), driven(2)]
    report, _ = check(group(codec, [writer.write(message) for message in messages]), codec)
    assert (report.syntax, report.conforming, report.warnings) == (syntax, True, [])
    assert (report.messages, report.pictures) == (3, 1)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_form_is_found_although_driven_messages_repeat_the_network(syntax):
    writer, network = GfvWriter(syntax), NeuralNetwork(0, payload=bytes(range(1, 60)))
    payloads = [writer.write(base(nn=network))]
    for cnt in (1, 2, 3):
        data, trace = writer.write_traced(driven(cnt))
        # Without the stop bit: zero bits up to a byte, then the network again.
        length = trace.positions[-1] + 1
        bits = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}"[:length]
        bits += "0" * (-length % 8)
        payloads.append(int(bits, 2).to_bytes(len(bits) // 8, "big") + network.payload)
    report, messages = check(group(payloads=payloads))
    assert (report.syntax, report.conforming) == (syntax, True)
    assert [warned.kind for warned in report.warnings] == ["g"]
    assert [message["value"]["cnt"] for message in messages] == [0, 1, 2, 3]


def test_a_violation_has_clause_place_element_value_and_range():
    payload = bytearray(GfvWriter().write(base()))
    payload[2] |= 0x60
    data = group(payloads=[bytes(payload)])
    report, messages = check(data, syntax="am0334")
    fault = report.violations[0]
    assert (fault.clause, fault.element, fault.allowed) == ("C.4", "gfv_matrix_type_idx", "more bits")
    assert data[fault.offset - 3 : fault.offset] in data
    assert fault.bit in range(8)
    assert messages[0]["value"] is None


def test_offsets_count_emulation_prevention_bytes():
    network = NeuralNetwork(0, payload=bytes(6))
    good = GfvWriter().write(base(nn=network))
    bad = bytearray(GfvWriter().write(base(nn=NeuralNetwork(1, "tag:a,2026:b", "c:d"))))
    bad[bad.index(b"tag")] = 0xFF
    data = group(payloads=[good, bytes(bad)])
    report, _ = check(data, syntax="am0334")
    fault = next(fault for fault in report.violations if fault.allowed == "UTF-8")
    assert (fault.element, data[fault.offset]) == ("gfv_nn_tag_uri", 0xFF)


@pytest.mark.parametrize(
    ("data", "clause", "said"),
    [
        (group() + START + b"\x80\x01\x80", "C.2", "forbidden_zero_bit"),
        (group() + START + b"\x50\x00\x80", "C.2", "nuh_temporal_id_plus1"),
        (group() + START + b"\x50", "C.2", "of 1 bytes"),
        (group() + START + b"\x50\x01\x05\x03\x00\x00\x02\x80", "C.2", "00 00 02"),
        (group() + START + b"\x50\x01\xdf\x09\x80", "C.3", "payload_size 9"),
    ],
)
def test_faults_of_nal_units_are_named(data, clause, said):
    report, _ = check(data)
    assert any(fault.clause == clause and said in fault.message for fault in report.violations)


def test_a_bad_uri_of_ours_is_a_violation():
    payload = GfvWriter().write(base(nn=NeuralNetwork(1, TAG_URI, "gfvc:1/x")))
    report, _ = check(group(payloads=[payload]))
    assert [(fault.clause, fault.element) for fault in report.violations] == [("C.6", "gfv_nn_uri")]


def test_warnings_for_position_gaps_and_lonely_enhancements():
    writer = GfvWriter()
    payloads = [writer.write(message) for message in (base(), driven(1), driven(3))]
    report, _ = check(group(payloads=payloads, suffix=False))
    assert {warned.kind: warned.count for warned in report.warnings} == {"j": 3, "k": 1}
    assert report.conforming
    lonely = bytes.fromhex("d0")  # gfve_id 0, gfve_gfv_id 0, gfve_gfv_cnt 1, nothing present
    report, _ = check(group(payloads=[lonely], kind=GFVE))
    assert [warned.kind for warned in report.warnings][-1] == "k"


def test_a_stream_without_messages_conforms_and_nonsense_is_refused():
    assert check(group())[0].conforming
    with pytest.raises(BitstreamError, match="start code"):
        check(b"nothing of the kind")
    assert codec_of(b"\0") is None


def test_many_faults_end_the_reading():
    report, _ = check(group() + (START + b"\x80\x01\x80") * 500)
    assert len(report.violations) == 100

"""The package against a second parser that was written from SPEC.md alone, and both against the vectors of its Annex
A, which are read from the document."""

from __future__ import annotations

import io
import random
import re
import zlib
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, strategies

from bitstream import BitstreamError, Colour, Group, Header, KeyPicture, Layout, Picture, StreamReader, UnitType
from bitstream.cabac import CabacDecoder, CabacEncoder, ContextSet
from bitstream.check import check_stream
from bitstream.header import CHROMA_FORMATS, FAMILIES, KEY_CODECS
from bitstream.nal import hevc_vps, pack_nal_units, split_annex_b
from bitstream.obu import join_obus
from bitstream.parameters import INITIAL_CONTEXTS, BinWriter, code_magnitude

from . import from_spec
from .streams import HEADER, build, few, header, motion, payloads, seal, small_stream

SPEC = (Path(__file__).parents[2] / "bitstream" / "SPEC.md").read_text(encoding="utf-8")
GOLDEN = sorted((Path(__file__).parents[1]).glob("*/golden/*.gfv"))
VECTORS = ("A.2", "A.3")
SETS = pack_nal_units([bytes.fromhex("42010105"), bytes.fromhex("4401c172")])
CODED = pack_nal_units([bytes.fromhex("2801af1d"), bytes.fromhex("2601af")])


def annex(number: str) -> str:
    """The text of a clause of Annex A."""
    return re.search(rf"^### {re.escape(number)} .*?(?=^##)", SPEC, re.S | re.M).group()


def tables(number: str) -> list[list[list[str]]]:
    """The cells of its tables, without the heads."""
    found = [[]]
    for line in annex(number).splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [rows[2:] for rows in found if rows]


def vector(number: str) -> bytes:
    """The stream that a clause shows, at the offsets that it shows."""
    data = b""
    for line in annex(number).split("```")[1].strip().splitlines():
        offset, row = line.split(":")
        assert len(data) == int(offset)
        data += bytes.fromhex(row)
    return data


class Parsed(NamedTuple):
    """What either parser finds: units are (offset, type, payload); fault is (clause, offset)."""

    header: dict
    groups: list[tuple[int, ...]]
    units: list[tuple[int, int, bytes]]
    pictures: list[tuple]
    fault: tuple[str, int] | None


def from_document(data: bytes, strict: bool = False) -> Parsed:
    stream, fault = from_spec.Stream(data, strict), None
    try:
        stream.parse()
    except from_spec.SpecError as error:
        fault = error.clause, error.offset
    units = [unit[:3] for unit in stream.units]
    return Parsed(stream.header, [tuple(group) for group in stream.groups], units, stream.pictures, fault)


def header_fields(head: Header) -> dict:
    """The elements of clause 6.2 that a header of the package stands for."""
    chroma = next(code for code, name in CHROMA_FORMATS.items() if name == head.chroma_format)
    return {
        "picture_width": head.width,
        "picture_height": head.height,
        "time_base_num_minus1": head.time_base[0] - 1,
        "time_base_den_minus1": head.time_base[1] - 1,
        "picture_ticks_minus1": head.picture_ticks - 1,
        "colour_primaries": head.colour.primaries,
        "transfer_characteristics": head.colour.transfer,
        "matrix_coefficients": head.colour.matrix,
        "full_range_flag": head.colour.full_range,
        "key_codec_idc": KEY_CODECS.index(head.key_codec),
        "chroma_format_idc": chroma,
        "family_idc": FAMILIES.index(head.family),
        "model_name": head.model,
        "model_hash": head.model_hash,
    }


def from_package(data: bytes) -> Parsed:
    found = Parsed({}, [], [], [], None)
    try:
        reader = StreamReader(io.BytesIO(data))
        found.header.update(header_fields(reader.header))
        found.groups.extend(
            (group.count, group.components, group.step_index, group.follows) for group in reader.header.layout.groups
        )
        for unit, pictures in reader.units():
            found.units.append((unit.offset, int(unit.type), unit.payload))
            for picture in pictures:
                coded = (picture.config, picture.payload) if isinstance(picture, KeyPicture) else None
                found.pictures.append((picture.ticks, picture.values, coded))
    except BitstreamError as error:
        return found._replace(fault=(error.clause, error.offset))
    return found


def compare(data: bytes) -> str | None:
    """Both parsers find the same, fault included, and put it into the same unit; its clause."""
    theirs, ours = from_package(data), from_document(data)
    assert theirs[:4] == ours[:4], data.hex()
    assert (theirs.fault is None) == (ours.fault is None), (theirs.fault, ours.fault, data.hex())
    if ours.fault is None:
        return None
    assert theirs.fault[0] == ours.fault[0], (theirs.fault, ours.fault, data.hex())
    start = unit_end(data, theirs.units[-1][0]) if theirs.units else 9 + data[4] if theirs.header else 0
    stop = len(data) if ours.fault[0] in ("6.1", "6.4", "6.5") else unit_end(data, start) if start else 9 + data[4]
    assert all(start <= fault[1] <= stop for fault in (theirs.fault, ours.fault)), (theirs.fault, ours.fault)
    return ours.fault[0]


def unit_end(data: bytes, offset: int) -> int:
    value, begin = from_spec.leb128(data, offset, 0, "6.4")
    return begin + (value >> 2) + from_spec.CHECKSUM_SIZE[value & 3]


def compare_strictly(data: bytes) -> str | None:
    """The first violation that the package's checker finds is the fault that the second parser stops at."""
    report, fault = check_stream(io.BytesIO(data)), from_document(data, strict=True).fault
    clauses = [violation.clause for violation in report.violations]
    assert clauses[:1] == ([fault[0]] if fault else []), (report.violations, fault, data.hex())
    return fault and fault[0]


# Annex A


def field_rows(stream: from_spec.Stream) -> list[list[str]]:
    """The table of fields as a stream fills it."""
    head = stream.header
    base = Fraction(head["time_base_num_minus1"] + 1, head["time_base_den_minus1"] + 1)
    rows = [
        ["header_size, header_crc", f"{stream.data[4]}, 0x{int.from_bytes(stream.header_crc, 'big'):08X}"],
        ["picture_width, picture_height", f"{head['picture_width']}, {head['picture_height']}"],
        ["time base, PictureTicks", f"{base}, {head['picture_ticks_minus1'] + 1}"],
    ]
    for names in (
        ("colour_primaries", "transfer_characteristics", "matrix_coefficients", "full_range_flag"),
        ("key_codec_idc", "chroma_format_idc", "family_idc"),
    ):
        rows.append([", ".join(names), ", ".join(str(head[name]) for name in names)])
    for g, group in enumerate(stream.groups):
        names = f"group {g}: Count, Comp, group_step_idx" + (", group_follows_flag" if g else "")
        rows.append([names, ", ".join(str(value) for value in group[: 4 if g else 3])])
    return [*rows, ["model_name, model_hash", f"`{head['model_name']}`, {head['model_hash'].hex(' ').upper()}"]]


def unit_rows(stream: from_spec.Stream) -> list[list[str]]:
    def part(data: bytes, name: str, coded: bool) -> str:
        codec = stream.header["key_codec_idc"]
        if codec == from_spec.AV1:
            return name + data.hex(" ").upper()
        nals = [nal.hex(" ").upper() for nal in from_spec.nal_units(codec, data, coded)]
        return f"NAL unit{'s' * (len(nals) > 1)} {' and '.join(nals)}"

    rows = []
    pictures = iter(picture for picture in stream.pictures if picture.coded)
    for offset, kind, payload, checksum, codeword in stream.units:
        text = f"codeword of {len(codeword)} bytes"
        if kind == from_spec.KEY_CONFIG:
            text = part(payload, "", False)
        elif kind == from_spec.KEY_PICTURE:
            text += ", " + part(next(pictures).coded[1], "coded_picture ", True)
        elif kind == from_spec.PARAMETERS:
            text = f"num_pictures_minus1 {payload[0]}, {text}"
        else:
            text = f"num_pictures {from_spec.leb128(payload, 0, 0, '6.8')[0]}"
        size = f"{len(payload)} byte{'s' * (len(payload) > 1)}"
        rows.append([str(offset), f"{UnitType(kind).name}, {size}", text, checksum.hex().upper()])
    return rows


def integers(cell: str) -> list[int]:
    """The values of a cell: "1 2, 3, then 12 times 0"."""
    found = []
    for times, value in re.findall(r"(?:(\d+) times )?(-?\d+)", cell):
        found += [int(value)] * int(times or 1)
    return found


def residuals(cell: str) -> list[tuple[int, int]]:
    """(Class, Residual): "3:2 5:-1; group_zero_flag[ 2 ] 0, 2:5, then of class 11: 1 2, then 3 times 0"."""
    found, current = [], 0
    cell = re.sub(r"[a-z]+_[a-z_0-9]+(\[ \d+ \])? \d+", "", cell)
    for head, one, explicit, times, value in re.findall(
        r"of class (\d+):|(\d+):(-?\d+)|(?:(\d+) times )?(-?\d+)", cell
    ):
        if head:
            current = int(head)
        elif one:
            found.append((int(one), int(explicit)))
        else:
            found += [(current, int(value))] * int(times or 1)
    return found


@pytest.mark.parametrize("number", VECTORS)
def test_both_parsers_find_what_the_annex_states(number, monkeypatch):
    data, coded = vector(number), []
    decode = from_spec.Values.residual

    def record(values: from_spec.Values, cls: int) -> int:
        coded.append((cls, decode(values, cls)))
        return coded[-1][1]

    monkeypatch.setattr(from_spec.Values, "residual", record)
    stream = from_spec.Stream(data).parse()
    fields, units, pictures, *more = tables(number)
    assert field_rows(stream) == fields
    assert unit_rows(stream) == units
    stated = [(str(n) + " (key)" * (p.coded is not None), str(p.ticks)) for n, p in enumerate(stream.pictures)]
    assert [tuple(row[:2]) for row in pictures] == stated
    assert [integers(row[2]) for row in pictures] == [list(picture.values) for picture in stream.pictures]
    assert [pair for row in (more[0] if more else pictures) for pair in residuals(row[-1])] == coded
    assert f"{len(data)} bytes" in annex(number).splitlines()[0]
    assert compare(data) is None
    assert compare_strictly(data) is None


@pytest.mark.parametrize("number", VECTORS)
def test_the_package_writes_the_vectors(number):
    data = vector(number)
    assert rewritten(data) == data


def rewritten(data: bytes) -> bytes:
    """The stream that the package writes for the pictures of a stream, unit by unit."""
    reader = StreamReader(io.BytesIO(data))
    units = [pictures for _, pictures in reader.units() if pictures]
    return build(reader.header, [unit[0] if isinstance(unit[0], KeyPicture) else unit for unit in units]).data


def test_both_engines_code_the_bins_of_the_annex():
    text, (rows,) = annex("A.1"), tables("A.1")
    codeword = bytes.fromhex(re.search(r"codeword is `([0-9A-F ]+)`", text).group(1))
    engine = from_spec.Engine(codeword, 0, [40 << 3, 90 << 3], [40 << 7, 90 << 7])
    decoder, encoder = CabacDecoder(ContextSet((40, 90)), codeword), CabacEncoder(ContextSet((40, 90)))
    initial = re.search(r"initialisation range is (\d+) and offset (\d+)", text).groups()
    assert (engine.range, engine.offset) == tuple(map(int, initial))
    for name, value, range_after, offset_after, estimates, read in rows:
        if name == "terminate":
            engine.end()
            decoder.finish()
        elif name == "bypass":
            assert engine.bypass() == decoder.bypass() == int(value)
            encoder.bypass_bits(int(value), 1)
        else:
            context = int(name[1])
            assert engine.bin(context) == decoder.decode(context) == int(value)
            encoder.encode(context, int(value))
            for fast, slow in ((engine.fast, engine.slow), (decoder.contexts.fast, decoder.contexts.slow)):
                assert estimates == f"{fast[context]}, {slow[context]}"
        assert (engine.range, engine.offset, engine.read) == (int(range_after), int(offset_after), int(read))
    assert encoder.finish() == codeword


def test_both_make_the_vps_of_the_annex():
    sps, vps = (bytes.fromhex(row[1]) for row in tables("A.4")[0])
    assert hevc_vps(sps) == from_spec.hevc_vps(sps) == vps
    configuration = pack_nal_units([sps, b"\x44\x01\xc1"])
    stream = from_spec.elementary_stream(from_spec.HEVC, configuration, CODED)
    assert split_annex_b(stream) == [vps, sps, b"\x44\x01\xc1", b"\x28\x01\xaf\x1d", b"\x26\x01\xaf"]


def test_both_make_the_elementary_stream_of_the_annex():
    stated = bytes.fromhex(re.search(r"elementary stream of the key picture is `([0-9A-F ]+)`", annex("A.2")).group(1))
    parts = from_spec.Stream(vector("A.2")).parse().pictures[0].coded
    assert from_spec.elementary_stream(from_spec.AV1, *parts) == join_obus(*parts) == stated


# Streams of the package


@strategies.composite
def headers(draw: strategies.DrawFn) -> Header:
    components = draw(strategies.integers(1, 4))
    shape = strategies.tuples(strategies.integers(1, 4), strategies.integers(0, 127), strategies.booleans())
    groups = draw(strategies.lists(shape, min_size=1, max_size=4))
    time, side, code = strategies.integers(1, 2**31 - 1), strategies.integers(64, 1024), strategies.integers(0, 255)
    codec = draw(strategies.sampled_from(KEY_CODECS))
    return Header(
        width=draw(side),
        height=draw(side),
        time_base=(draw(time), draw(time)),
        picture_ticks=draw(time),
        colour=Colour(draw(code), draw(code), draw(code), draw(strategies.booleans())),
        key_codec=codec,
        chroma_format=draw(strategies.sampled_from(("420", "444") if codec in ("avc", "hevc") else ("420",))),
        family=draw(strategies.sampled_from(FAMILIES)),
        layout=Layout(
            tuple(
                Group(count * components, components, step, follows and index > 0)
                for index, (count, step, follows) in enumerate(groups)
            )
        ),
        model=draw(strategies.from_regex(r"[a-z0-9][a-z0-9._-]{0,31}", fullmatch=True)),
        model_hash=draw(strategies.binary(min_size=8, max_size=8)),
    )


@few
@given(headers(), strategies.integers(0, 1 << 20))
def test_random_streams_parse_alike(head, seed):
    rng = random.Random(seed)
    values = motion(head.layout, 12, seed)
    values[5] = tuple(rng.choice((-32767, 0, 32767)) for _ in values[5])
    ticks = [rng.choice((head.picture_ticks, head.picture_ticks, 1, 2**31 - 1)) for _ in values]
    run = [Picture(t, v) for t, v in zip(ticks, values, strict=True)]
    keys = [KeyPicture(0, values[0], b"c", b"first"), KeyPicture(ticks[6], values[6], b"d", b"second")]
    data = build(head, [keys[0], run[1:4], run[4:6], keys[1], run[7:]]).data
    assert compare(data) is None
    found = from_document(data)
    assert found.header == header_fields(head)
    assert [picture[:2] for picture in found.pictures] == [(0, values[0]), *((p.ticks, p.values) for p in run[1:])]
    assert rewritten(data) == data


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.parent.name)
def test_golden_streams_parse_alike(path):
    data = path.read_bytes()
    assert compare(data) is None
    assert rewritten(data) == data


# Damage


def flipped(rng: random.Random, data: bytes, most: int = 1) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.randint(1, most)):
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def resealed_header(fields: bytes) -> bytes:
    """The file header of any header_fields( ), with a header_crc that fits."""
    data = b"GFV" + bytes((1, len(fields))) + fields
    return data + zlib.crc32(data).to_bytes(4, "big")


def strict_stream() -> tuple[bytes, list[tuple[int, bytes]]]:
    """Header and payloads of a short conforming stream of HEVC."""
    values = motion(HEADER.layout, 4, 7)
    keys = [KeyPicture(1001 * (n > 0), values[n], SETS, CODED) for n in (0, 3)]
    stream = build(HEADER, [keys[0], [Picture(1001, value) for value in values[1:3]], keys[1]])
    return stream.parts[0], payloads(stream.data)


def test_damaged_and_cut_streams_fail_alike():
    data = small_stream().data
    rng = random.Random(3)
    clauses = set()
    for size in range(len(data)):
        clauses.add(compare(data[:size]))
    for _ in range(300):
        clauses.add(compare(flipped(rng, data)))
    clauses.add(compare(data + b"\0"))
    assert clauses == {"6.1", "6.4", "6.5"}


def test_damage_behind_good_checksums_fails_alike():
    stream = small_stream()
    units = payloads(stream.data)
    rng = random.Random(4)
    clauses = set()
    for _ in range(400):
        number = rng.randrange(len(units))
        kind, payload = units[number]
        damaged = flipped(rng, payload, 3) if rng.random() < 0.8 else payload[: rng.randrange(len(payload))]
        changed = [*units[:number], (kind, damaged), *units[number + 1 :]]
        if rng.random() < 0.1:
            del changed[rng.randrange(len(changed))]
        clauses.add(compare(seal(stream.parts[0], changed)))
    assert clauses >= {None, "6.5", "6.6", "6.7", "6.8", "7.3"}


def test_damaged_headers_fail_alike():
    end = small_stream().parts[-1]
    rng = random.Random(5)
    clauses = set()
    for codec in ("avc", "av1"):
        plain = header(key_codec=codec).to_bytes()[5:-4]
        # Behind a header_crc that fits: every bit once, more bits at a time, every size.
        variants = [flipped(rng, plain, 3) for _ in range(150)] + [plain[:size] for size in range(len(plain))]
        for bit in range(8 * len(plain)):
            variants.append((int.from_bytes(plain, "big") ^ 1 << bit).to_bytes(len(plain), "big"))
        for damaged in [*variants, plain + b"\0", b""]:
            clauses.add(compare(resealed_header(damaged) + end))
    assert clauses == {"6.2", "6.4"}


@pytest.mark.parametrize("codeword", [b"", b"\x80", b"\0\0", b"\x80\0", b"\xff\xff"])
def test_short_codewords_fail_alike(codeword):
    head, units = strict_stream()
    key = bytes((len(codeword),)) + codeword + CODED
    assert compare(seal(head, [units[0], (UnitType.KEY_PICTURE, key)])) == "7.3"
    assert compare(seal(head, [*units[:2], (UnitType.PARAMETERS, b"\0" + codeword)])) == "7.3"


@pytest.mark.parametrize("residuals", [(32768,), (-32768,), (65535,), (32767, 0, 1), (0, 32767, 0, -65535)])
def test_values_out_of_range_fail_alike(residuals):
    head, units = strict_stream()
    engine = CabacEncoder(ContextSet(INITIAL_CONTEXTS))
    for residual in residuals:
        code_magnitude(BinWriter(engine), 11, residual)
    codeword = engine.finish()
    assert compare(seal(head, [units[0], (UnitType.KEY_PICTURE, bytes((len(codeword),)) + codeword + CODED)])) == "7.2"


@pytest.mark.parametrize(("ticks_minus1", "clause"), [(2**31 - 2, "7.3"), (2**31 - 1, "7.2"), (2**40, "7.2")])
def test_times_out_of_range_fail_alike(ticks_minus1, clause):
    """The greatest time is read; it is the codeword that is too short for the values then."""
    head, units = strict_stream()
    state = from_spec.Stream(seal(head, [*units[:2], (UnitType.END, b"\1")])).parse().values
    contexts = ContextSet(INITIAL_CONTEXTS)
    contexts.fast[:], contexts.slow[:] = state.fast, state.slow
    engine = CabacEncoder(contexts)
    bins = BinWriter(engine)
    bins.flag(0, 1)
    order = 8
    while ticks_minus1 >= 1 << order:
        bins.bits(1, 1)
        ticks_minus1 -= 1 << order
        order += 1
    bins.bits(order + 1, ticks_minus1)
    assert compare(seal(head, [*units[:2], (UnitType.PARAMETERS, b"\0" + engine.finish())])) == clause


def test_checker_and_second_parser_agree_on_key_pictures():
    head, units = strict_stream()
    assert compare_strictly(seal(head, units)) is None
    rng = random.Random(6)
    clauses = set()
    size = len(units[1][1]) - len(CODED)
    for _ in range(400):
        number = rng.choice((0, 1))
        kind, payload = units[number]
        start = 0 if kind == UnitType.KEY_CONFIG else size
        part = payload[start:]
        damaged = flipped(rng, part, 3) if rng.random() < 0.8 else part[: rng.randrange(1, len(part))]
        changed = [*units[:number], (kind, payload[:start] + damaged), *units[number + 1 :]]
        clauses.add(compare_strictly(seal(head, changed)))
    assert {None, "8.1"} <= clauses


@pytest.mark.parametrize(
    "part",
    [
        b"",
        pack_nal_units([b"\x28\x01\0\0\1\xaf"]),
        pack_nal_units([b"\x28\x01\xaf\0"]),
        pack_nal_units([b"\x28"]),
        pack_nal_units([b"\x28\x01\xaf"] * 65),
        pack_nal_units([b"\x40\x01\xaf"]),
        b"\x05\x28\x01",
        b"\x80",
    ],
    ids=["empty", "start code", "zero at the end", "cut header", "65 units", "a VPS", "cut", "cut length"],
)
def test_checker_and_second_parser_refuse_the_same_parts(part):
    head, units = strict_stream()
    codeword = units[1][1][: -len(CODED)]
    sets = part.replace(b"\x28\x01", b"\x42\x01")
    assert compare_strictly(seal(head, [(UnitType.KEY_CONFIG, sets), *units[1:]])) == ("8.1" if part else "6.5")
    if part:
        changed = [units[0], (UnitType.KEY_PICTURE, codeword + part), *units[2:]]
        assert compare_strictly(seal(head, changed)) == "8.1"


def test_checker_and_second_parser_judge_configurations_where_they_are_used():
    head, units = strict_stream()
    assert compare_strictly(seal(head, [units[0], *units])) == "6.5"
    assert compare_strictly(seal(head, units[1:])) == "8.1"
    unused = [(UnitType.KEY_CONFIG, b"unused"), *units]
    assert compare_strictly(seal(head, unused)) is None
    fields = header(key_codec="av1").to_bytes()
    assert compare_strictly(seal(fields, units)) is None
    assert compare_strictly(seal(fields, units[1:])) == "8.5"

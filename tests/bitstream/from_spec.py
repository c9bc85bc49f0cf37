"""A second parser of `.gfv` streams, written from SPEC.md alone: names and clauses are those of that document.

It shares no code with the `bitstream` package and is not fast; the tests hold one against the other.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

END, KEY_CONFIG, KEY_PICTURE, PARAMETERS = range(4)
MAX_PAYLOAD = (8, 1024, 4_194_304, 65_536)  # clause 6.4
CHECKSUM_SIZE = (2, 4, 4, 2)
AVC, HEVC, VVC, AV1 = range(4)
NAL_TYPES = (({7, 8}, {5}), ({33, 34}, {19, 20, 21}), ({15, 16}, {7, 8, 9, 17, 19}))  # clause 8.1
NAME_CHARACTERS = b"abcdefghijklmnopqrstuvwxyz0123456789._-"
CLASS_ENDS = (0, 2, 5, 8, 12, 17, 25, 37, 59, 99, 179)  # clause 7.2.4
RICE = (0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3)
P_FIRST = (3, 10, 20, 34, 44, 56, 66, 78, 90, 84, 84, 90)  # clause 7.4
P_OTHER = (8, 14, 20, 28, 36, 44, 54, 66, 82, 74, 74, 84)
INITIAL = [4, 40, 90, *[40] * 48, *(P_OTHER[c] if b else P_FIRST[c] for c in range(12) for b in range(10))]


class SpecError(Exception):
    """The first violation: a byte offset, the clause, and what is wrong."""

    def __init__(self, offset: int, clause: str, message: str) -> None:
        super().__init__(f"byte {offset}: {message} (clause {clause})")
        self.offset, self.clause, self.message = offset, clause, message


class Group(NamedTuple):
    count: int
    components: int
    step_idx: int
    follows: int


class Unit(NamedTuple):
    """Clause 6.4; codeword is empty where there is none."""

    offset: int
    unit_type: int
    payload: bytes
    checksum: bytes
    codeword: bytes


class Picture(NamedTuple):
    """coded is (configuration, coded_picture) of a key picture."""

    ticks: int
    values: tuple[int, ...]
    coded: tuple[bytes, bytes] | None = None


def crc16(data: bytes) -> int:
    """The checksum of two bytes of clause 6.4."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def leb128(data: bytes, start: int, base: int, clause: str) -> tuple[int, int]:
    """Clause 4.4: the value at data[start] and the index after it; data begins at byte ``base`` of the stream."""
    value = 0
    for count, byte in enumerate(data[start : start + 4]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            if count and not byte:
                raise SpecError(base + start, clause, "leb128 is not the shortest")
            return value, start + count + 1
    raise SpecError(base + start, clause, "leb128 is cut or too long")


def to_leb128(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + to_leb128(value >> 7)


class Fields:
    """u(n) and ue(v) of clauses 4.2 and 4.3 in header_fields( ), which begins at byte 5."""

    def __init__(self, data: bytes) -> None:
        self.text, self.at = "".join(f"{byte:08b}" for byte in data), 0

    def fail(self, message: str) -> SpecError:
        return SpecError(5 + self.at // 8, "6.2", message)

    def u(self, bits: int, low: int = 0, high: int | None = None) -> int:
        if self.at + bits > len(self.text):
            raise self.fail("header_fields( ) is longer than header_size")
        self.at += bits
        return self.ranged(int("0" + self.text[self.at - bits : self.at], 2), low, high)

    def ue(self, high: int) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 31:
                raise self.fail("ue(v) of more than 31 zero bits")
        return self.ranged((1 << zeros) - 1 + self.u(zeros), 0, high)

    def ranged(self, value: int, low: int, high: int | None) -> int:
        if value < low or (high is not None and value > high):
            raise self.fail(f"{value} is out of range or reserved")
        return value


def header_fields(data: bytes) -> tuple[dict[str, Any], list[Group]]:
    """Clause 6.2."""
    fields, header, groups = Fields(data), {}, []
    for name in ("picture_width", "picture_height"):
        header[name] = fields.u(11, 64, 1024)
    for name in ("time_base_num_minus1", "time_base_den_minus1", "picture_ticks_minus1"):
        header[name] = fields.ue((1 << 31) - 2)
    for name in ("colour_primaries", "transfer_characteristics", "matrix_coefficients"):
        header[name] = fields.u(8)
    header["full_range_flag"] = fields.u(1)
    codec = header["key_codec_idc"] = fields.u(4, 0, 3)
    chroma = header["chroma_format_idc"] = fields.u(2)
    if chroma not in ((1, 3) if codec in (AVC, HEVC) else (1,)):
        raise fields.fail(f"chroma_format_idc {chroma} with key_codec_idc {codec}")
    header["family_idc"] = fields.u(6, 0, 1)
    for g in range(fields.ue(15) + 1):
        group = Group(fields.ue(1023) + 1, fields.u(2) + 1, fields.u(7), fields.u(1) if g else 0)
        if group.count % group.components or (group.follows and group.components != groups[0].components):
            raise fields.fail(f"components of group {g}")
        groups.append(group)
    name = bytes(fields.u(8) for _ in range(fields.u(6, 1, 32)))
    if any(byte not in NAME_CHARACTERS for byte in name) or name[0] in b"._-":
        raise fields.fail(f"model_name {name!r}")
    header["model_name"] = name.decode("ascii")
    header["model_hash"] = bytes(fields.u(8) for _ in range(8))
    rest = fields.text[fields.at :]
    if len(rest) > 7 or "1" in rest:
        raise fields.fail("header_fields( ) is shorter than header_size, or alignment_zero_bit is 1")
    return header, groups


class Engine:
    """Clause 7.3, for one codeword that begins at byte ``base``; fast and slow outlive it."""

    def __init__(self, codeword: bytes, base: int, fast: list[int], slow: list[int]) -> None:
        self.codeword, self.base, self.fast, self.slow = codeword, base, fast, slow
        self.read, self.range, self.offset = 0, 510, 0
        if len(codeword) < 2:
            raise self.fail("7.3", "codeword of less than two bytes")
        for _ in range(9):
            self.next_bit()
        if self.offset >= self.range:
            raise self.fail("7.3", "offset is not below range")

    def fail(self, clause: str, message: str) -> SpecError:
        return SpecError(self.base + self.read // 8, clause, message)

    def next_bit(self) -> None:
        if self.read == 8 * len(self.codeword):
            raise self.fail("7.3", "the codeword has too few bits")
        self.offset = self.offset << 1 | self.codeword[self.read >> 3] >> 7 - self.read % 8 & 1
        self.read += 1

    def bin(self, ctx: int) -> int:
        """Clauses 7.3.2 and 7.3.3."""
        state = self.slow[ctx] + (self.fast[ctx] << 4)
        value = state >> 14
        lps_range = ((self.range >> 5) * ((32767 - state if value else state) >> 9) >> 1) + 4
        self.range -= lps_range
        if self.offset >= self.range:
            value = 1 - value
            self.offset -= self.range
            self.range = lps_range
        self.fast[ctx] += (63 if value else 0) - (self.fast[ctx] >> 4)
        self.slow[ctx] += (127 if value else 0) - (self.slow[ctx] >> 7)
        while self.range < 256:
            self.range <<= 1
            self.next_bit()
        return value

    def bypass(self) -> int:
        """Clause 7.3.4."""
        self.next_bit()
        if self.offset < self.range:
            return 0
        self.offset -= self.range
        return 1

    def bypass_bits(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self.bypass()
        return value

    def exp_golomb(self, k: int, largest: int) -> int:
        """EG( k, max ) of clause 7.2.5."""
        value = 0
        while value <= largest and self.bypass():
            value += 1 << k
            k += 1
        if value <= largest:
            value += self.bypass_bits(k)
        if value > largest:
            raise self.fail("7.2", "Exp-Golomb code out of range")
        return value

    def end(self) -> None:
        """Clauses 7.3.5 and 7.3.6."""
        self.range -= 2
        if self.offset < self.range:
            raise self.fail("7.3", "end_of_codeword_bin is 0")
        tail = "".join(f"{byte:08b}" for byte in self.codeword)[self.read - 1 :]
        if len(tail) > 8 or tail.rstrip("0") != "1":
            raise self.fail("7.3", "stop bit, or the bits after it")


class Values:
    """Clauses 7.1 and 7.2: the state that persists, and the syntax of codewords."""

    def __init__(self, groups: list[Group], picture_ticks: int) -> None:
        self.groups, self.picture_ticks = groups, picture_ticks
        self.prev: list[int] = []

    def key_codeword(self, codeword: bytes, base: int, first: bool) -> tuple[int, tuple[int, ...]]:
        self.fast, self.slow = [p << 3 for p in INITIAL], [p << 7 for p in INITIAL]
        self.activity = [8] * sum(group.count for group in self.groups)
        self.last_skip, self.last_zero = 0, [0] * len(self.groups)
        self.engine = Engine(codeword, base, self.fast, self.slow)
        cur: list[int] = []
        for group in self.groups:
            for k in range(group.count):
                reference = cur[-group.components] if k >= group.components else 0
                cur.append(self.in_range(reference + self.residual(11)))
        ticks = 0 if first else self.picture_time()
        self.engine.end()
        self.prev = cur
        return ticks, tuple(cur)

    def parameters_codeword(self, codeword: bytes, base: int, number: int) -> list[Picture]:
        self.engine = Engine(codeword, base, self.fast, self.slow)
        pictures = []
        for _ in range(number):
            ticks = self.picture_time()
            self.prev = self.driving_values()
            pictures.append(Picture(ticks, tuple(self.prev)))
        self.engine.end()
        return pictures

    def picture_time(self) -> int:
        """Clause 7.2.1."""
        return self.engine.exp_golomb(8, (1 << 31) - 2) + 1 if self.engine.bin(0) else self.picture_ticks

    def driving_values(self) -> list[int]:
        """Clause 7.2.2."""
        self.last_skip = self.engine.bin(1 + self.last_skip)
        if self.last_skip:
            for i in range(len(self.prev)):
                self.adapt(i, 0, 0)
            self.last_zero = [1] * len(self.groups)
            return self.prev
        cur: list[int] = []
        self.moved = [0] * self.groups[0].components
        for g, group in enumerate(self.groups):
            zero = near = 0
            if g:
                zero = self.last_zero[g] = self.engine.bin(3 + 3 * g + self.last_zero[g])
            for k in range(group.count):
                i = len(cur)
                residual = 0 if zero else self.residual(self.class_of(i, near))
                cur.append(self.in_range(self.predict(g, k, i) + residual))
                near = self.adapt(i, residual, near)
                if g == 0:
                    self.moved[k % group.components] += cur[i] - self.prev[i]
        return cur

    def in_range(self, value: int) -> int:
        if abs(value) > 32767:
            raise self.engine.fail("7.2", f"value {value}")
        return value

    def predict(self, g: int, k: int, i: int) -> int:
        """Clause 7.2.3, for value k of group g, which is value i of the picture."""
        first, group = self.groups[0], self.groups[g]
        n, d = 1, k // first.components
        if g:
            n = (8 - (first.step_idx & 3)) << (group.step_idx >> 2)
            d = ((8 - (group.step_idx & 3)) << (first.step_idx >> 2)) * (first.count // first.components)
        if d == 0 or (g and not group.follows):
            return self.prev[i]
        moved = (2 * self.moved[k % group.components] * n + d) // (2 * d)
        return min(max(self.prev[i] + moved, -32767), 32767)

    def class_of(self, i: int, near: int) -> int:
        """Clause 7.2.4."""
        return sum((2 * self.activity[i] + near) >> 1 > end for end in CLASS_ENDS)

    def adapt(self, i: int, residual: int, near: int) -> int:
        """Clause 7.2.4; gives the new Near."""
        a = 16 * min(abs(residual), 64)
        self.activity[i] += (a - self.activity[i]) >> 2
        return (near + a) >> 1

    def residual(self, cls: int) -> int:
        """Clauses 7.2.4 and 7.2.5."""
        prefix = 0
        while prefix < 10 and self.engine.bin(51 + 10 * cls + prefix):
            prefix += 1
        escape = self.engine.exp_golomb(1, 65535 >> RICE[cls]) if prefix == 10 else 0
        magnitude = ((prefix + escape) << RICE[cls]) + self.engine.bypass_bits(RICE[cls])
        return -magnitude if magnitude and self.engine.bypass() else magnitude


class Stream:
    """Clauses 5, 6 and 10.3: after a SpecError of parse( ) it holds what the units before the fault gave.

    strict: also report the faults that clause 10.2 leaves to key codecs and conformance checkers.
    """

    def __init__(self, data: bytes, strict: bool = True) -> None:
        self.data, self.strict = data, strict
        self.header: dict[str, Any] = {}
        self.groups: list[Group] = []
        self.units: list[Unit] = []
        self.pictures: list[Picture] = []
        self.configuration = b""

    def parse(self) -> Stream:
        at = self.file_header()
        while not self.units or self.units[-1].unit_type != END:
            at = self.unit(at)
        if at != len(self.data):
            raise SpecError(at, "6.5", "bytes after END")
        return self

    def file_header(self) -> int:
        """Clause 6.1; gives the offset of the first unit, as unit( ) does of the next."""
        data = self.data
        if data[:3] != b"GFV" or data[3:4] not in (b"", b"\1"):
            raise SpecError(0, "6.1", "magic or version")
        end = 5 + (data[4] if len(data) > 4 else 0)
        if len(data) < end + 4:
            raise SpecError(len(data), "6.1", "the header is cut")
        self.header_crc = data[end : end + 4]
        if zlib.crc32(data[:end]) != int.from_bytes(self.header_crc, "big"):
            raise SpecError(end, "6.1", "header_crc does not fit")
        self.header, self.groups = header_fields(data[5:end])
        self.values = Values(self.groups, self.header["picture_ticks_minus1"] + 1)
        return end + 4

    def unit(self, start: int) -> int:
        """Clause 6.4."""
        if start == len(self.data):
            raise SpecError(start, "6.5", "the stream ends before END")
        unit_header, begin = leb128(self.data, start, 0, "6.4")
        unit_type, end = unit_header & 3, begin + (unit_header >> 2)
        stop = end + CHECKSUM_SIZE[unit_type]
        if end - begin > MAX_PAYLOAD[unit_type]:
            raise SpecError(start, "6.4", "payload above its limit")
        if stop > len(self.data):
            raise SpecError(len(self.data), "6.4", "the unit is cut")
        payload, checksum = self.data[begin:end], self.data[end:stop]
        covered = self.header_crc + (len(self.units) & 0xFFFFFFFF).to_bytes(4, "big") + self.data[start:end]
        if int.from_bytes(checksum, "big") != (zlib.crc32 if len(checksum) == 4 else crc16)(covered):
            raise SpecError(start, "6.4", "the checksum does not fit")
        parse = (self.end, self.key_config, self.key_picture, self.parameters)[unit_type]
        codeword, pictures = parse(payload, begin)
        self.units.append(Unit(start, unit_type, payload, checksum, codeword))
        self.pictures += pictures
        return stop

    def end(self, payload: bytes, base: int) -> tuple[bytes, list[Picture]]:
        """Clause 6.8."""
        number, size = leb128(payload, 0, base, "6.8")
        if size != len(payload) or number != len(self.pictures):
            raise SpecError(base, "6.8", f"num_pictures {number} of {len(self.pictures)}, or bytes after it")
        return b"", []

    def key_config(self, payload: bytes, base: int) -> tuple[bytes, list[Picture]]:
        """Clause 6.5."""
        if self.strict and payload == self.configuration:
            raise SpecError(base, "6.5", "KEY_CONFIG equal to the configuration in force")
        self.configuration = payload
        return b"", []

    def key_picture(self, payload: bytes, base: int) -> tuple[bytes, list[Picture]]:
        """Clause 6.6."""
        size, at = leb128(payload, 0, base, "6.6")
        end = at + size
        if end >= len(payload):
            raise SpecError(base, "6.6", "payload too short for its parts")
        ticks, values = self.values.key_codeword(payload[at:end], base + at, not self.pictures)
        if self.strict:
            check_parts(self.header["key_codec_idc"], self.configuration, payload[end:], base)
        return payload[at:end], [Picture(ticks, values, (self.configuration, payload[end:]))]

    def parameters(self, payload: bytes, base: int) -> tuple[bytes, list[Picture]]:
        """Clauses 6.5 and 6.7."""
        if not self.pictures:
            raise SpecError(base, "6.5", "PARAMETERS before the first KEY_PICTURE")
        if not payload:
            raise SpecError(base, "6.7", "payload too short for its parts")
        return payload[1:], self.values.parameters_codeword(payload[1:], base + 1, payload[0] + 1)


def nal_units(codec: int, data: bytes, coded: bool, base: int = 0) -> list[bytes]:
    """Clause 8.1: the NAL units of a configuration or a coded_picture."""
    nals: list[bytes] = []
    at = 0
    while at < len(data):
        size, start = leb128(data, at, base, "8.1")
        at = start + size
        nal = data[start:at]
        if at > len(data) or size < (1 if codec == AVC else 2):
            raise SpecError(base, "8.1", "a NAL unit is cut or has no whole header")
        nal_unit_type = nal[0] & 31 if codec == AVC else nal[0] >> 1 & 63 if codec == HEVC else nal[1] >> 3
        if nal_unit_type not in NAL_TYPES[codec][coded]:
            raise SpecError(base, "8.1", f"nal_unit_type {nal_unit_type}")
        if b"\0\0\1" in nal or nal[-1] == 0:
            raise SpecError(base, "8.1", "a NAL unit with a start code or a trailing zero byte")
        nals.append(nal)
    if not 1 <= len(nals) <= 64:
        raise SpecError(base, "8.1", f"{len(nals)} NAL units")
    return nals


def check_parts(codec: int, configuration: bytes, coded_picture: bytes, base: int) -> None:
    """Clauses 8.1 and 8.5."""
    if codec != AV1:
        nal_units(codec, configuration, False, base)
        nal_units(codec, coded_picture, True, base)
    elif not configuration:
        raise SpecError(base, "8.5", "the configuration is empty")


def hevc_vps(sps: bytes) -> bytes:
    """Clause 8.3."""
    plain = b"".join(sps[i : i + 1] for i in range(len(sps)) if sps[max(i - 2, 0) : i + 1] != b"\0\0\3")
    if len(plain) < 15:
        raise SpecError(0, "8.3", "the SPS has less than 15 bytes")
    bits = f"{0x4001:016b}0000" + "11" + "000000" + "000" + "1" + "1" * 16
    bits += "".join(f"{byte:08b}" for byte in plain[3:15])
    bits += "1" + "111" + "000000" + "1" + "00" + "1"
    bits += "0" * (-len(bits) % 8)
    vps = bytearray()
    zeros = 0
    for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
        if zeros >= 2 and byte <= 3:
            vps.append(3)
            zeros = 0
        zeros = 0 if byte else zeros + 1
        vps.append(byte)
    return bytes(vps)


def elementary_stream(codec: int, configuration: bytes, coded_picture: bytes) -> bytes:
    """Clauses 8.1 to 8.5: what a decoder of the key codec gets."""
    if codec == AV1:
        sequence, frame = (to_leb128(len(part)) + part for part in (configuration, coded_picture))
        return b"\x12\0\x0a" + sequence + b"\x32" + frame
    sets = nal_units(codec, configuration, False)
    vps = [hevc_vps(next((nal for nal in sets if nal[0] >> 1 & 63 == 33), b""))] if codec == HEVC else []
    return b"".join(b"\0\0\0\1" + nal for nal in [*vps, *sets, *nal_units(codec, coded_picture, True)])

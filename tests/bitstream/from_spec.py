"""A second parser of `.gfv` streams, written from SPEC.md alone: names and clauses are those of that document.

It shares no code with the `bitstream` package and is not fast; the tests hold one against the other.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

END, KEY_CONFIG, KEY_PICTURE, PARAMETERS = range(4)
MAX_SIZE = {END: 8, KEY_CONFIG: 1024, KEY_PICTURE: 4194304, PARAMETERS: 65536}
CHECKSUM_SIZE = {END: 2, KEY_CONFIG: 4, KEY_PICTURE: 4, PARAMETERS: 2}
NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789._-"
CLASS_STARTS = (1, 3, 6, 9, 13, 18, 26, 38, 60, 100, 180)
RICE = (0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3)
FIRST_BIN = (3, 10, 20, 34, 44, 56, 66, 78, 90, 84, 84, 90)
FURTHER_BINS = (8, 14, 20, 28, 36, 44, 54, 66, 82, 74, 74, 84)


class SpecError(Exception):
    """What clause 10.2 lists."""

    def __init__(self, clause: str, message: str) -> None:
        super().__init__(f"clause {clause}: {message}")
        self.clause = clause


def require(condition: bool, clause: str, message: str) -> None:
    if not condition:
        raise SpecError(clause, message)


@dataclass
class Bits:
    """u(n), ue(v) of clauses 4.2 and 4.3."""

    data: bytes
    position: int = 0

    def u(self, count: int) -> int:
        value = 0
        for _ in range(count):
            require(self.position < 8 * len(self.data), "6.2", "too short")
            value = value << 1 | self.data[self.position >> 3] >> 7 - (self.position & 7) & 1
            self.position += 1
        return value

    def ue(self, largest: int) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            require(zeros <= 31, "6.2", "ue(v) of more than 31 zeros")
        value = (1 << zeros) - 1 + self.u(zeros)
        require(value <= largest, "6.2", "out of range")
        return value


def leb128(data: bytes, position: int, clause: str) -> tuple[int, int]:
    """Clause 4.4: the value and the position after it."""
    value = 0
    for count in range(4):
        require(position < len(data), clause, "leb128 cut")
        byte = data[position]
        position += 1
        value |= (byte & 127) << 7 * count
        if not byte & 128:
            require(count == 0 or byte != 0, clause, "leb128 not shortest")
            return value, position
    raise SpecError(clause, "leb128 too long")


@dataclass
class Group:
    count: int
    comp: int
    step_idx: int
    follows: bool


@dataclass
class Stream:
    """What was found before the fault, if there is one: pictures are (ticks, values, configuration and coded picture of
    a key picture or None)."""

    header: dict[str, object] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    units: list[tuple[int, int]] = field(default_factory=list)
    pictures: list[tuple[int, list[int], tuple[bytes, bytes] | None]] = field(default_factory=list)
    fault: SpecError | None = None


def header_fields(data: bytes, stream: Stream) -> None:
    """Clause 6.2."""
    bits, h = Bits(data), stream.header
    for name in ("picture_width", "picture_height"):
        h[name] = bits.u(11)
        require(64 <= h[name] <= 1024, "6.2", name)
    for name in ("time_base_num", "time_base_den", "picture_ticks"):
        h[name] = bits.ue(2**31 - 2) + 1
    for name in ("colour_primaries", "transfer_characteristics", "matrix_coefficients"):
        h[name] = bits.u(8)
    h["full_range_flag"] = bits.u(1)
    h["key_codec_idc"], h["chroma_format_idc"], h["family_idc"] = bits.u(4), bits.u(2), bits.u(6)
    require(h["key_codec_idc"] <= 3, "6.2", "key_codec_idc")
    require(h["chroma_format_idc"] in ((1, 3) if h["key_codec_idc"] < 2 else (1,)), "6.2", "chroma_format_idc")
    require(h["family_idc"] <= 1, "6.2", "family_idc")
    for g in range(bits.ue(15) + 1):
        group = Group(bits.ue(1023) + 1, bits.u(2) + 1, bits.u(7), bool(bits.u(1)) if g else False)
        require(group.count % group.comp == 0, "6.2", "components do not divide the group")
        stream.groups.append(group)
        require(not group.follows or group.comp == stream.groups[0].comp, "6.2", "group_follows_flag")
    length = bits.u(6)
    require(1 <= length <= 32, "6.2", "model_name_length")
    name = [chr(bits.u(8)) for _ in range(length)]
    require(all(c in NAME_CHARACTERS for c in name) and name[0] not in "._-", "6.2", "model_name")
    h["model_name"] = "".join(name)
    h["model_hash"] = bytes(bits.u(8) for _ in range(8))
    while bits.position & 7:
        require(bits.u(1) == 0, "6.2", "alignment_zero_bit")
    require(bits.position == 8 * len(data), "6.2", "header_fields longer than its syntax")


def crc16(data: bytes) -> int:
    """Clause 6.4: polynomial 0x1021, start value 0."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def clip(value: int) -> int:
    return min(max(value, -32767), 32767)


def r_div(n: int, d: int) -> int:
    return (2 * n + d) // (2 * d)


class Engine:
    """Clause 7.3, for one codeword; Fast and Slow belong to the parser."""

    def __init__(self, codeword: bytes, fast: list[int], slow: list[int]) -> None:
        require(len(codeword) >= 2, "7.3", "codeword of less than two bytes")
        self.codeword, self.fast, self.slow = codeword, fast, slow
        self.read, self.range, self.offset = 0, 510, 0
        for _ in range(9):
            self.next_bit()

    def next_bit(self) -> None:
        require(self.read < 8 * len(self.codeword), "7.3", "codeword too short")
        self.offset = self.offset << 1 | self.codeword[self.read >> 3] >> 7 - (self.read & 7) & 1
        self.read += 1

    def bin(self, ctx: int) -> int:
        state = self.slow[ctx] + (self.fast[ctx] << 4)
        value = state >> 14
        lps = ((self.range >> 5) * ((32767 - state if value else state) >> 9) >> 1) + 4
        self.range -= lps
        if self.offset >= self.range:
            value = 1 - value
            self.offset -= self.range
            self.range = lps
        self.fast[ctx] += (63 if value else 0) - (self.fast[ctx] >> 4)
        self.slow[ctx] += (127 if value else 0) - (self.slow[ctx] >> 7)
        while self.range < 256:
            self.range <<= 1
            self.next_bit()
        return value

    def bypass(self) -> int:
        self.next_bit()
        if self.offset < self.range:
            return 0
        self.offset -= self.range
        return 1

    def exp_golomb(self, k: int, largest: int) -> int:
        """EG( k, max ) of clause 7.2.5."""
        value = 0
        while self.bypass():
            value += 1 << k
            k += 1
            require(value <= largest, "7.2", "Exp-Golomb code out of range")
        suffix = 0
        for _ in range(k):
            suffix = suffix << 1 | self.bypass()
        require(value + suffix <= largest, "7.2", "Exp-Golomb code out of range")
        return value + suffix

    def end(self) -> None:
        """Clauses 7.3.5 and 7.3.6."""
        self.range -= 2
        require(self.offset >= self.range, "7.3", "end_of_codeword_bin")
        whole = int.from_bytes(self.codeword, "big")
        left = 8 * len(self.codeword) - self.read
        require(left < 8 and whole & (2 << left) - 1 == 1 << left, "7.3", "stop bit")


class Parser:
    """Clauses 6.4 to 7.4."""

    def __init__(self, data: bytes) -> None:
        self.data, self.stream = data, Stream()
        self.config = b""
        self.prev: list[int] = []

    def parse(self) -> Stream:
        try:
            self.file()
        except SpecError as fault:
            self.stream.fault = fault
        return self.stream

    def file(self) -> None:
        """Clauses 5 and 6.1."""
        data = self.data
        require(data[:3] == b"GFV" and len(data) > 3, "6.1", "magic")
        require(data[3] == 1, "6.1", "version")
        require(len(data) > 4 and len(data) >= 9 + data[4], "6.1", "header cut")
        end = 5 + data[4]
        self.header_crc = data[end : end + 4]
        require(zlib.crc32(data[:end]) == int.from_bytes(self.header_crc, "big"), "6.1", "header_crc")
        header_fields(data[5:end], self.stream)
        self.activity = [8] * sum(group.count for group in self.stream.groups)
        position = end + 4
        while position < len(data):
            unit_type, position = self.unit(position)
            if unit_type == END:
                require(position == len(data), "6.5", "bytes after END")
                return
        raise SpecError("6.5", "no END")

    def unit(self, start: int) -> tuple[int, int]:
        """Clause 6.4: its type, and where the next one starts."""
        header, position = leb128(self.data, start, "6.4")
        unit_type, size = header & 3, header >> 2
        require(size <= MAX_SIZE[unit_type], "6.4", "payload above its limit")
        stop = position + size + CHECKSUM_SIZE[unit_type]
        require(stop <= len(self.data), "6.4", "unit cut")
        payload = self.data[position : position + size]
        number = (len(self.stream.units) & 0xFFFFFFFF).to_bytes(4, "big")
        covered = self.header_crc + number + self.data[start : position + size]
        crc = crc16(covered) if CHECKSUM_SIZE[unit_type] == 2 else zlib.crc32(covered)
        require(crc == int.from_bytes(self.data[position + size : stop], "big"), "6.4", "checksum")
        found = len(self.stream.pictures)
        try:
            (self.end, self.key_config, self.key_picture, self.parameters)[unit_type](payload)
        except SpecError:
            del self.stream.pictures[found:]
            raise
        self.stream.units.append((unit_type, size))
        return unit_type, stop

    def end(self, payload: bytes) -> None:
        count, position = leb128(payload, 0, "6.8")
        require(position == len(payload) and count == len(self.stream.pictures), "6.8", "num_pictures")

    def key_config(self, payload: bytes) -> None:
        self.config = payload

    def key_picture(self, payload: bytes) -> None:
        """Clauses 6.6, 7.1 and key_codeword of 7.2."""
        size, position = leb128(payload, 0, "6.6")
        require(size >= 2 and position + size < len(payload), "6.6", "too short for its parts")
        initial = [4, 40, 90] + [40] * 48
        for first, further in zip(FIRST_BIN, FURTHER_BINS, strict=True):
            initial += [first] + [further] * 9
        self.fast, self.slow = [p << 3 for p in initial], [p << 7 for p in initial]
        self.activity = [8] * len(self.activity)
        self.last_skip, self.last_zero = 0, [0] * len(self.stream.groups)
        self.engine = Engine(payload[position : position + size], self.fast, self.slow)
        cur: list[int] = []
        for group in self.stream.groups:
            start = len(cur)
            for k in range(group.count):
                reference = cur[start + k - group.comp] if k >= group.comp else 0
                cur.append(self.legal(reference + self.residual(11)))
        ticks = self.time() if self.stream.pictures else 0
        self.engine.end()
        self.prev = cur
        self.stream.pictures.append((ticks, cur, (self.config, payload[position + size :])))

    def parameters(self, payload: bytes) -> None:
        """Clause 6.7 and parameters_codeword of 7.2."""
        require(bool(self.prev), "6.5", "PARAMETERS before the first KEY_PICTURE")
        require(len(payload) >= 1, "6.7", "too short")
        self.engine = Engine(payload[1:], self.fast, self.slow)
        for _ in range(payload[0] + 1):
            ticks = self.time()
            self.prev = self.driving_values()
            self.stream.pictures.append((ticks, self.prev, None))
        self.engine.end()

    def time(self) -> int:
        """Clause 7.2.1."""
        if not self.engine.bin(0):
            return self.stream.header["picture_ticks"]
        return self.engine.exp_golomb(8, 2**31 - 2) + 1

    def driving_values(self) -> list[int]:
        """Clause 7.2.2."""
        groups, cur = self.stream.groups, []
        self.last_skip = self.engine.bin(1 + self.last_skip)
        self.near = 0
        if self.last_skip:
            for i in range(len(self.prev)):
                self.adapt(i, 0)
            self.last_zero = [1] * len(groups)
            return list(self.prev)
        self.moved = [0] * groups[0].comp
        for g, group in enumerate(groups):
            start, zero = len(cur), 0
            if g:
                zero = self.last_zero[g] = self.engine.bin(3 + 3 * g + self.last_zero[g])
            self.near = 0
            for k in range(group.count):
                i = start + k
                residual = 0 if zero else self.residual(self.class_of(i))
                cur.append(self.legal(self.predict(g, k, start) + residual))
                self.adapt(i, residual)
                if g == 0:
                    self.moved[k % group.comp] += cur[k] - self.prev[k]
        return cur

    def predict(self, g: int, k: int, start: int) -> int:
        """Clause 7.2.3."""
        first, group = self.stream.groups[0], self.stream.groups[g]
        before, moved = self.prev[start + k], self.moved[k % group.comp] if g == 0 or group.follows else 0
        if g == 0:
            element = k // group.comp
            return clip(before + r_div(moved, element)) if element else before
        if not group.follows:
            return before
        n = (8 - (first.step_idx & 3)) << (group.step_idx >> 2)
        d = ((8 - (group.step_idx & 3)) << (first.step_idx >> 2)) * (first.count // first.comp)
        return clip(before + r_div(moved * n, d))

    def class_of(self, i: int) -> int:
        """Clause 7.2.4."""
        m = (2 * self.activity[i] + self.near) >> 1
        return sum(start <= m for start in CLASS_STARTS)

    def adapt(self, i: int, residual: int) -> None:
        a = 16 * min(abs(residual), 64)
        self.near = (self.near + a) >> 1
        self.activity[i] += (a - self.activity[i]) >> 2

    def residual(self, number: int) -> int:
        prefix = 0
        while prefix < 10 and self.engine.bin(51 + 10 * number + prefix):
            prefix += 1
        escape = self.engine.exp_golomb(1, 65535 >> RICE[number]) if prefix == 10 else 0
        low = 0
        for _ in range(RICE[number]):
            low = low << 1 | self.engine.bypass()
        magnitude = ((prefix + escape) << RICE[number]) + low
        return -magnitude if magnitude and self.engine.bypass() else magnitude

    @staticmethod
    def legal(value: int) -> int:
        require(-32767 <= value <= 32767, "7.2", "value out of range")
        return value


def parse(data: bytes) -> Stream:
    """Everything up to the end or the first fault."""
    return Parser(data).parse()

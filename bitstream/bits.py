"""Fixed-length and Exp-Golomb fields over `bitstring`, with the checks that untrusted input needs.

Both ends work on the text of the bits: Python finds the 1 of an Exp-Golomb code in it by one search, which is what
makes reading thousands of fields a second possible.
"""

from __future__ import annotations

import bitstring

from .errors import BitstreamError

MAX_UE_BITS = 32
MAX_UE = (1 << MAX_UE_BITS) - 2


class BitWriter:
    """Collects fields, most significant bit first."""

    def __init__(self) -> None:
        self._fields: list[str] = []
        self.position = 0

    def u(self, value: int, bits: int) -> None:
        """u(n).

        Raises ValueError if ``value`` does not fit.
        """
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{value} does not fit u({bits})")
        if bits:
            self._append(f"{value:0{bits}b}")

    def ue(self, value: int) -> None:
        """ue(v), unsigned Exp-Golomb, 0..2^32 - 2."""
        if not 0 <= value <= MAX_UE:
            raise ValueError(f"{value} does not fit ue(v)")
        code = f"{value + 1:b}"
        self._append("0" * (len(code) - 1) + code)

    def align(self) -> None:
        """Zero bits up to the next byte."""
        self._append("0" * (-self.position % 8))

    def to_bytes(self) -> bytes:
        self.align()
        return bitstring.Bits(bin="".join(self._fields)).tobytes()

    def _append(self, field: str) -> None:
        self._fields.append(field)
        self.position += len(field)


class BitReader:
    """Reads fields; every fault is a BitstreamError with the byte offset and the field's name."""

    def __init__(self, data: bytes, *, clause: str) -> None:
        self._bits = bitstring.Bits(bytes=data).bin
        self._clause = clause
        self.position = 0

    @property
    def byte_position(self) -> int:
        return self.position // 8

    @property
    def remaining_bits(self) -> int:
        return len(self._bits) - self.position

    def fail(self, message: str) -> BitstreamError:
        return BitstreamError(message, offset=self.byte_position, clause=self._clause)

    def u(self, bits: int, name: str) -> int:
        stop = self.position + bits
        if stop > len(self._bits):
            raise self.fail(f"{name}: {self.remaining_bits} bits left, u({bits}) expected")
        value = int(self._bits[self.position : stop], 2) if bits else 0
        self.position = stop
        return value

    def ue(self, name: str, maximum: int) -> int:
        """ue(v), refused above ``maximum``."""
        value = self.any_ue(name)
        if value > maximum:
            raise self.fail(f"{name} is {value}, at most {maximum} expected")
        return value

    def any_ue(self, name: str) -> int:
        """ue(v), 0..2^32 - 2."""
        bits, start = self._bits, self.position
        one = bits.find("1", start, start + MAX_UE_BITS)
        if one < 0:
            if len(bits) - start < MAX_UE_BITS:
                self.position = len(bits)
                raise self.fail(f"{name}: 0 bits left, u(1) expected")
            self.position += MAX_UE_BITS
            raise self.fail(f"{name}: {MAX_UE_BITS} leading zero bits, at most {MAX_UE_BITS - 1} expected")
        stop = 2 * one - start + 1
        if stop > len(bits):
            self.position = one + 1
            raise self.fail(f"{name}: {self.remaining_bits} bits left, u({one - start}) expected")
        self.position = stop
        return int(bits[one:stop], 2) - 1

    def left(self) -> str:
        """All bits that are left, as text; reads nothing."""
        return self._bits[self.position :]

    def end(self) -> None:
        """Only zero bits up to the end of the last byte may be left."""
        left = self.remaining_bits
        if left >= 8:
            raise self.fail(f"{left // 8} bytes left, the end expected")
        if left and self.u(left, "alignment_zero_bit"):
            raise self.fail("alignment_zero_bit is 1, 0 expected")

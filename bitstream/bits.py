"""Fixed-length and Exp-Golomb fields over `bitstring`, with the checks that untrusted input needs."""

from __future__ import annotations

import bitstring

from .errors import BitstreamError

MAX_UE_BITS = 32


class BitWriter:
    """Collects fields, most significant bit first."""

    def __init__(self) -> None:
        self._bits = bitstring.BitStream()

    def u(self, value: int, bits: int) -> None:
        """u(n).

        Raises ValueError if ``value`` does not fit.
        """
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{value} does not fit u({bits})")
        self._bits.append(bitstring.Bits(uint=value, length=bits))

    def ue(self, value: int) -> None:
        """ue(v), unsigned Exp-Golomb, 0..2^32 - 2."""
        if not 0 <= value < (1 << MAX_UE_BITS) - 1:
            raise ValueError(f"{value} does not fit ue(v)")
        self._bits.append(bitstring.Bits(ue=value))

    def align(self) -> None:
        """Zero bits up to the next byte."""
        self._bits.append(bitstring.Bits(length=-len(self._bits) % 8))

    def to_bytes(self) -> bytes:
        self.align()
        return self._bits.tobytes()


class BitReader:
    """Reads fields; every fault is a BitstreamError with the byte offset and the field's name."""

    def __init__(self, data: bytes, *, clause: str) -> None:
        self._bits = bitstring.ConstBitStream(bytes=data)
        self._clause = clause

    @property
    def byte_position(self) -> int:
        return self._bits.pos // 8

    @property
    def remaining_bits(self) -> int:
        return len(self._bits) - self._bits.pos

    def fail(self, message: str) -> BitstreamError:
        return BitstreamError(message, offset=self.byte_position, clause=self._clause)

    def u(self, bits: int, name: str) -> int:
        if self.remaining_bits < bits:
            raise self.fail(f"{name}: {self.remaining_bits} bits left, u({bits}) expected")
        return self._bits.read(bits).uint

    def ue(self, name: str, maximum: int) -> int:
        """ue(v), refused above ``maximum`` before anything is allocated for it."""
        zeros = 0
        while self.u(1, name) == 0:
            zeros += 1
            if zeros >= MAX_UE_BITS:
                raise self.fail(f"{name}: {zeros} leading zero bits, at most {MAX_UE_BITS - 1} expected")
        value = (1 << zeros) - 1 + (self.u(zeros, name) if zeros else 0)
        if value > maximum:
            raise self.fail(f"{name} is {value}, at most {maximum} expected")
        return value

    def end(self) -> None:
        """Only zero bits up to the end of the last byte may be left."""
        left = self.remaining_bits
        if left >= 8:
            raise self.fail(f"{left // 8} bytes left, the end expected")
        if left and self.u(left, "alignment_zero_bit"):
            raise self.fail("alignment_zero_bit is 1, 0 expected")

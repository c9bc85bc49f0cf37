"""The context-adaptive binary arithmetic engine of Rec. ITU-T H.266 clause 9.3, in integers.

Probability estimation with two rates, the engine with a range of 9 bits, bypass and terminating bins (9.3.4.3), and the
encoder that matches them. A codeword ends on a byte, not on a word.

A context is two integers: a fast estimate of 10 bits and a slow one of 14 bits of the probability that the bin is 1.
"""

from __future__ import annotations

from .errors import BitstreamError

# Windows of the two estimates, what shiftIdx = 8 gives in H.266: the fast one 2^4 bins, the slow one 2^7 bins.
SHIFT0, SHIFT1 = 4, 7
CLAUSE = "7.3"


class ContextSet:
    """The adaptive state of all contexts; ``initial`` holds 7-bit probabilities of a 1, in 1/128 (SPEC.md clause
    7.4).
    """

    def __init__(self, initial: tuple[int, ...]) -> None:
        self._initial = initial
        self.fast: list[int] = []
        self.slow: list[int] = []
        self.reset()

    def reset(self) -> None:
        self.fast = [p << 3 for p in self._initial]
        self.slow = [p << 7 for p in self._initial]


class CabacEncoder:
    """Arithmetic encoder; one codeword per unit, contexts shared from unit to unit through ``contexts``."""

    def __init__(self, contexts: ContextSet) -> None:
        self.contexts = contexts
        self.start()

    def start(self) -> None:
        self._low = 0
        self._range = 510
        self._bits: list[int] = []
        self._outstanding = 0
        self._first = True

    def encode(self, context: int, value: int) -> None:
        """Encode one bin with an adaptive context (the converse of 9.3.4.3.2)."""
        fast, slow = self.contexts.fast[context], self.contexts.slow[context]
        state = slow + (fast << 4)
        mps = state >> 14
        lps_range = (((self._range >> 5) * ((32767 - state if mps else state) >> 9)) >> 1) + 4
        self._range -= lps_range
        if value != mps:
            self._low += self._range
            self._range = lps_range
        if value:
            self.contexts.fast[context] = fast - (fast >> SHIFT0) + (1023 >> SHIFT0)
            self.contexts.slow[context] = slow - (slow >> SHIFT1) + (16383 >> SHIFT1)
        else:
            self.contexts.fast[context] = fast - (fast >> SHIFT0)
            self.contexts.slow[context] = slow - (slow >> SHIFT1)
        while self._range < 256:
            self._renormalise()
            self._range <<= 1

    def bypass(self, value: int) -> None:
        """Encode one equiprobable bin."""
        self._low <<= 1
        if value:
            self._low += self._range
        if self._low >= 1024:
            self._put(1)
            self._low -= 1024
        elif self._low < 512:
            self._put(0)
        else:
            self._low -= 512
            self._outstanding += 1

    def bypass_bits(self, value: int, count: int) -> None:
        for shift in range(count - 1, -1, -1):
            self.bypass(value >> shift & 1)

    def finish(self) -> bytes:
        """Terminate the codeword (end bin, flush, stop bit) and return its bytes."""
        self._range -= 2
        self._low += self._range
        self._range = 2
        while self._range < 256:
            self._renormalise()
            self._range <<= 1
        self._put(self._low >> 9 & 1)
        self._bits += (self._low >> 8 & 1, 1)
        self._bits += [0] * (-len(self._bits) % 8)
        data = int("".join(map(str, self._bits)), 2).to_bytes(len(self._bits) // 8, "big")
        self.start()
        return data

    def _renormalise(self) -> None:
        if self._low >= 512:
            self._put(1)
            self._low -= 512
        elif self._low < 256:
            self._put(0)
        else:
            self._low -= 256
            self._outstanding += 1
        self._low <<= 1

    def _put(self, bit: int) -> None:
        if self._first:
            self._first = False
        else:
            self._bits.append(bit)
        if self._outstanding:
            self._bits += [1 - bit] * self._outstanding
            self._outstanding = 0


class CabacDecoder:
    """Arithmetic decoder of one codeword (9.3.4.3); raises BitstreamError when it reads past the codeword's end."""

    def __init__(self, contexts: ContextSet, data: bytes) -> None:
        self.contexts = contexts
        self._total = len(data) * 8
        self._position = 9
        self._range = 510
        if self._total < 16:
            raise self._fail(f"a codeword of {len(data)} bytes, at least 2 expected")
        self._data = data
        # A window of the bits to come, refilled by words: shifting one long integer would cost its whole length each
        # time.
        self._window = int.from_bytes(data[:2], "big") & 0x7F
        self._left = 7
        self._next = 2
        self._offset = int.from_bytes(data[:2], "big") >> 7
        # No encoder begins so, and the offset would grow with each bit.
        if self._offset >= self._range:
            raise self._fail(f"the codeword begins with an offset of {self._offset}, below {self._range} expected")

    def _fail(self, message: str) -> BitstreamError:
        return BitstreamError(message, offset=self._total // 8, clause=CLAUSE)

    def decode(self, context: int) -> int:
        """Decode one bin with an adaptive context (9.3.4.3.2)."""
        contexts = self.contexts
        fast, slow = contexts.fast[context], contexts.slow[context]
        state = slow + (fast << 4)
        value = state >> 14
        size = self._range
        lps_range = (((size >> 5) * ((32767 - state if value else state) >> 9)) >> 1) + 4
        size -= lps_range
        if self._offset >= size:
            value ^= 1
            self._offset -= size
            size = lps_range
        if value:
            contexts.fast[context] = fast - (fast >> SHIFT0) + (1023 >> SHIFT0)
            contexts.slow[context] = slow - (slow >> SHIFT1) + (16383 >> SHIFT1)
        else:
            contexts.fast[context] = fast - (fast >> SHIFT0)
            contexts.slow[context] = slow - (slow >> SHIFT1)
        if size < 256:
            shift = 9 - size.bit_length()
            self._range = size << shift
            self._offset = self._offset << shift | self._read(shift)
        else:
            self._range = size
        return value

    def bypass(self) -> int:
        self._offset = self._offset << 1 | self._read(1)
        if self._offset >= self._range:
            self._offset -= self._range
            return 1
        return 0

    def bypass_bits(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self.bypass()
        return value

    def finish(self) -> None:
        """Decode the end bin and check the stop bit and the zero bits after it (9.3.4.3.5)."""
        self._range -= 2
        if self._offset < self._range:
            raise self._fail("end_of_unit bin is 0, 1 expected")
        # The engine reads nine bits ahead, and the encoder's flush is such that the last bit read is the stop bit.
        tail = self._total - self._position + 1
        if tail > 8 or self._data[-1] & ((1 << tail) - 1) != 1 << (tail - 1):
            raise self._fail("stop bit and zero bits expected at the end of the codeword")

    def _read(self, count: int) -> int:
        self._position += count
        if self._position > self._total:
            raise self._fail("the codeword ends before its last bin")
        if self._left < count:
            more = self._data[self._next : self._next + 4]
            self._window = (self._window & ((1 << self._left) - 1)) << 8 * len(more) | int.from_bytes(more, "big")
            self._left += 8 * len(more)
            self._next += 4
        self._left -= count
        return self._window >> self._left & ((1 << count) - 1)

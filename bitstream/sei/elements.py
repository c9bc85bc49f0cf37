"""Syntax elements read or written through one interface, so that the syntax is written down once (SPEC.md clause C.4).

`ElementReader` ignores the values that it is given, `ElementWriter` writes them; both hand the value back and note it.
"""

from __future__ import annotations

from typing import NoReturn

from ..bits import MAX_UE, BitReader, BitWriter
from ..errors import BitstreamError

CLAUSE = "C.4"


class Trace:
    """Names and values in coding order, and the bit at which each begins."""

    def __init__(self) -> None:
        self.elements: list[tuple[str, int | str]] = []
        self.positions: list[int] = []

    def _note(self, name: str, value: int | str, position: int) -> None:
        self.elements.append((name, value))
        self.positions.append(position)

    def position_of(self, name: str) -> int:
        """Bit of the last element called ``name``, of the last one of all if there is none."""
        for (found, _), position in zip(reversed(self.elements), reversed(self.positions), strict=True):
            if found == name:
                return position
        return self.positions[-1] if self.positions else 0


class ElementReader(Trace):
    """Reads the elements of one payload.

    What breaks a rule but lets the reader go on is kept in ``violations``; BitstreamError is raised where it does not.
    Offsets are in the payload.
    """

    writing = False

    def __init__(self, payload: bytes) -> None:
        super().__init__()
        self._bits = BitReader(payload, clause=CLAUSE)
        self._payload = payload
        self.violations: list[BitstreamError] = []
        # Quirks of the payload itself that only its reader sees (SPEC.md clause C.7).
        self.carried = False
        self.extension = ""

    def violation(
        self,
        name: str,
        found: int | str,
        allowed: str,
        message: str = "",
        position: int | None = None,
        clause: str = "",
    ) -> BitstreamError:
        """What is wrong with the last element called ``name``."""
        position = self.position_of(name) if position is None else position
        return BitstreamError(
            message or f"{name} is {found}, {allowed} expected",
            offset=position // 8,
            bit=position % 8,
            clause=clause or CLAUSE,
            element=name,
            found=found,
            allowed=allowed,
        )

    def refuse(self, name: str, found: int | str, allowed: str, message: str = "") -> None:
        """Note that an element breaks a rule, and go on."""
        self.violations.append(self.violation(name, found, allowed, message))

    def stop(self, name: str, found: int | str, allowed: str, message: str = "") -> NoReturn:
        """Reading cannot go on."""
        raise self.violation(name, found, allowed, message)

    def _located(self, error: BitstreamError, name: str) -> BitstreamError:
        position = self._bits.position
        return self.violation(name, "end of payload", "more bits", error.message, position)

    def u(self, name: str, bits: int, value: int = 0) -> int:
        """u(n)."""
        start = self._bits.position
        try:
            value = self._bits.u(bits, name)
        except BitstreamError as error:
            raise self._located(error, name) from None
        self._note(name, value, start)
        return value

    def ue(self, name: str, value: int = 0, maximum: int = MAX_UE, *, fatal: bool = True) -> int:
        """ue(v), refused above ``maximum``; reading then stops if ``fatal``."""
        start = self._bits.position
        try:
            value = self._bits.any_ue(name)
        except BitstreamError as error:
            raise self._located(error, name) from None
        self._note(name, value, start)
        if value > maximum:
            (self.stop if fatal else self.refuse)(name, value, f"0..{maximum}")
        return value

    def text(self, name: str, value: str = "") -> str:
        """st(v) at a byte boundary: UTF-8 up to a zero byte."""
        start = self._bits.position
        end = self._payload.find(b"\0", start // 8)
        if end < 0:
            self.violations.append(self.violation(name, "no zero byte", "a zero byte at the end", position=start))
            end = len(self._payload)
        data = self._payload[start // 8 : end]
        try:
            value = data.decode("utf-8")
        except UnicodeDecodeError:
            value = data.decode("utf-8", "backslashreplace")
            self.violations.append(self.violation(name, data[:32].hex(), "UTF-8", position=start))
        self._note(name, value, start)
        self._bits.position = min(8 * (end + 1), 8 * len(self._payload))
        return value

    def align(self, name: str) -> None:
        """Zero bits up to the next byte."""
        for _ in range(-self._bits.position % 8):
            if self.u(name, 1):
                self.refuse(name, 1, "0")

    def signed(self, stem: str, value: int = 0, maximum: int = MAX_UE) -> int:
        """A magnitude ue(v) ``stem``_abs, then ``stem``_sign_flag unless it is 0."""
        value = self.ue(stem + "_abs", 0, maximum, fatal=False)
        return -value if value and self.u(stem + "_sign_flag", 1) else value

    def fixed_point(self, stem: str, precision: int, value: int = 0, *, coded_dec: bool = False) -> int:
        """``stem``_int ue(v), ``stem``_dec u(precision) or, with ``coded_dec``, ue(v), and the sign unless both are
        0."""
        whole = self.ue(stem + "_int")
        part = self.ue(stem + "_dec") if coded_dec else self.u(stem + "_dec", precision)
        self.carried = self.carried or part >> precision != 0
        value = (whole << precision) + part
        return -value if value and self.u(stem + "_sign_flag", 1) else value

    def rest(self, value: bytes = b"") -> bytes:
        """All bytes to the end of the payload."""
        start = self._bits.position // 8
        self._bits.position = 8 * len(self._payload)
        return self._payload[start:]

    def finish(self) -> None:
        """The end of the payload: a 1 and zeros up to the byte; bits before that 1 are extension data."""
        tail = self._bits.left()
        if not tail:
            return
        last = tail.rfind("1")
        if last < 0:
            self.violations.append(
                self.violation(
                    "payload_bit_equal_to_one",
                    0,
                    "1",
                    f"{len(tail)} zero bits at the end of the payload, a bit 1 expected before them",
                    self._bits.position,
                    "C.3",
                )
            )
        elif last or len(tail) > 7:
            self.extension = tail


class ElementWriter(Trace):
    """Writes the elements of one payload; raises ValueError that names the element for what does not fit."""

    writing = True

    def __init__(self) -> None:
        super().__init__()
        self._bits = BitWriter()

    def refuse(self, name: str, found: int | str, allowed: str, message: str = "") -> None:
        raise ValueError(message or f"{name} is {found}, {allowed} expected")

    def stop(self, name: str, found: int | str, allowed: str, message: str = "") -> NoReturn:
        raise ValueError(message or f"{name} is {found}, {allowed} expected")

    def u(self, name: str, bits: int, value: int = 0) -> int:
        start = self._bits.position
        try:
            self._bits.u(value, bits)
        except ValueError:
            self.stop(name, value, f"0..{(1 << bits) - 1}")
        self._note(name, value, start)
        return value

    def ue(self, name: str, value: int = 0, maximum: int = MAX_UE, *, fatal: bool = True) -> int:
        start = self._bits.position
        if not 0 <= value <= maximum:
            self.stop(name, value, f"0..{maximum}")
        self._bits.ue(value)
        self._note(name, value, start)
        return value

    def text(self, name: str, value: str = "") -> str:
        if "\0" in value:
            self.stop(name, repr(value), "no zero byte")
        start = self._bits.position
        for byte in (*value.encode("utf-8"), 0):
            self._bits.u(byte, 8)
        self._note(name, value, start)
        return value

    def align(self, name: str) -> None:
        for _ in range(-self._bits.position % 8):
            self.u(name, 1, 0)

    def signed(self, stem: str, value: int = 0, maximum: int = MAX_UE) -> int:
        self.ue(stem + "_abs", abs(value), maximum)
        if value:
            self.u(stem + "_sign_flag", 1, int(value < 0))
        return value

    def fixed_point(self, stem: str, precision: int, value: int = 0, *, coded_dec: bool = False) -> int:
        magnitude = abs(value)
        self.ue(stem + "_int", magnitude >> precision)
        part = magnitude & ((1 << precision) - 1)
        if coded_dec:
            self.ue(stem + "_dec", part)
        else:
            self.u(stem + "_dec", precision, part)
        if value:
            self.u(stem + "_sign_flag", 1, int(value < 0))
        return value

    def rest(self, value: bytes = b"") -> bytes:
        for byte in value:
            self._bits.u(byte, 8)
        return value

    def finish(self) -> None:
        if self._bits.position % 8:
            self._bits.u(1, 1)

    def to_bytes(self) -> bytes:
        return self._bits.to_bytes()


Elements = ElementReader | ElementWriter

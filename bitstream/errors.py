"""The one error that reading a stream can raise."""

from __future__ import annotations

from collections.abc import Callable


class BitstreamError(ValueError):
    """A stream that does not follow SPEC.md, or ends early.

    offset: byte position in the stream where the fault was noticed, and bit 0..7 in that byte where it is known (0 is
    the most significant); clause: the clause of SPEC.md that is violated. Where one syntax element is at fault: its
    name, the value found and the range allowed, in words.
    """

    def __init__(
        self,
        message: str,
        *,
        offset: int,
        clause: str,
        bit: int | None = None,
        element: str = "",
        found: int | str | None = None,
        allowed: str = "",
    ) -> None:
        place = f"byte {offset}" if bit is None else f"byte {offset} bit {bit}"
        super().__init__(f"{place}: {message} (SPEC.md {clause})")
        self.message = message
        self.offset = offset
        self.clause = clause
        self.bit = bit
        self.element = element
        self.found = found
        self.allowed = allowed

    def at(self, base: int) -> BitstreamError:
        """The same fault seen from a stream in which ours begins at byte ``base``."""
        return self.moved(lambda offset: offset + base)

    def moved(self, place: Callable[[int], int]) -> BitstreamError:
        """The same fault with its offset mapped by ``place``."""
        return BitstreamError(
            self.message,
            offset=place(self.offset),
            clause=self.clause,
            bit=self.bit,
            element=self.element,
            found=self.found,
            allowed=self.allowed,
        )


class CarriageError(ValueError):
    """Something that a carriage cannot hold; the text names it."""

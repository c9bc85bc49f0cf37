"""Output files that appear only when they are whole, and `-` for pipes."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import GfvcError

PIPE = "-"


def is_special(path: Path) -> bool:
    """Devices, named pipes and sockets: they are written to as they stand, never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextlib.contextmanager
def replacing(target: Path, *, force: bool) -> Iterator[Path]:
    """Give a name beside ``target`` to write to; rename it on success, delete it on any failure.

    Raises GfvcError if ``target`` exists and ``force`` is not set, or its folder does not exist.
    """
    # Through a symbolic link, what it names is replaced and the link stays.
    target = Path(os.path.realpath(target))
    if target.is_dir():
        raise GfvcError(f"{target}: is a folder, a file name expected")
    if not target.parent.is_dir():
        raise GfvcError(f"{target.parent}: no such folder; create it first")
    if target.exists() and not force:
        raise GfvcError(f"{target}: exists; use --force (force=True) to overwrite it")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        # mkstemp makes private files; the user's umask decides for the final one.
        mask = os.umask(0)
        os.umask(mask)
        partial.chmod(0o666 & ~mask)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


class _StandardOutput:
    """Standard output without a buffer: what cannot be written is an error at once, not when Python ends."""

    def __init__(self) -> None:
        sys.stdout.flush()
        # Where Python is told to buffer nothing, there is no raw stream below.
        self._raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)

    def write(self, data: bytes) -> int:
        view = memoryview(data).cast("B")
        while view:
            view = view[self._raw.write(view) :]
        return len(data)


def standard_output() -> BinaryIO:
    """A binary file object of standard output that can be written to."""
    return _StandardOutput()


@contextlib.contextmanager
def open_source(source: str | os.PathLike[str] | BinaryIO) -> Iterator[BinaryIO]:
    """A binary file object of a path, of `-` (standard input) or of an open file."""
    if not isinstance(source, str | os.PathLike):
        yield source
    elif source == PIPE:
        yield sys.stdin.buffer
    else:
        try:
            handle = open(source, "rb")  # noqa: SIM115 - opening and reading fail differently
        except OSError as error:
            raise GfvcError(f"{source}: {error.strerror}") from None
        with handle:
            yield handle


@contextlib.contextmanager
def open_target(target: str | os.PathLike[str] | BinaryIO, *, force: bool) -> Iterator[BinaryIO]:
    """A binary file object to write to: of a path (appears when whole), of `-` (standard output) or an open file."""
    if not isinstance(target, str | os.PathLike):
        yield target
    elif target == PIPE:
        yield standard_output()
    elif is_special(Path(target)):
        with open(target, "wb") as handle:
            yield handle
    else:
        with replacing(Path(target), force=force) as partial, partial.open("wb") as handle:
            yield handle

"""What several subcommands share: output of results, progress bars, option checks."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bitstream import StreamSummary
from bitstream.carriage import CARRIAGES
from bitstream.sei.messages import AM0334, SYNTAXES

from ..backends.choice import AUTO, BACKENDS, DEVICES

if TYPE_CHECKING:
    from ..backends.base import Backend


def print_json(value: Any, *, to_stderr: bool = False) -> None:
    """One JSON document; on standard error when standard output carries the stream itself."""
    print(json.dumps(value, indent=2), file=sys.stderr if to_stderr else sys.stdout)


def print_summary(summary: StreamSummary, *, to_stderr: bool = False) -> None:
    """The cost of a stream in a few lines."""
    out = sys.stderr if to_stderr else sys.stdout
    print(
        f"{summary.pictures} pictures of {summary.width}x{summary.height} in {summary.duration_s:.2f} s, "
        f"{summary.key_pictures} of them key pictures; family {summary.family}, model {summary.model}",
        file=out,
    )
    print(
        f"{summary.size_bytes} bytes: {summary.kbps_total:.2f} kbit/s = {summary.kbps_key:.2f} key pictures + "
        f"{summary.kbps_parameters:.2f} parameters + {summary.kbps_overhead:.2f} overhead",
        file=out,
    )


def add_carriage_arguments(parser: argparse.ArgumentParser) -> None:
    """How an output stream is carried."""
    parser.add_argument(
        "--carriage",
        choices=CARRIAGES,
        help="gfv, or an elementary stream of that codec with GFV SEI messages (default: by the output's suffix)",
    )
    parser.add_argument(
        "--syntax", choices=SYNTAXES, default=AM0334, help="form of the GFV messages' syntax (SPEC.md C.4.1)"
    )


def add_backend_arguments(parser: argparse.ArgumentParser) -> None:
    """What runs the networks, and where."""
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default=AUTO,
        help="what runs the networks; auto: the fastest that is installed, see `gfvc doctor`",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the networks run")


class Announcer:
    """Says which backend runs: on a terminal when work begins, in a result by `text` or `as_dict`."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._backend: Backend | None = None

    def __call__(self, backend: Backend) -> None:
        if not self._quiet and self._backend is None and sys.stderr.isatty():
            print(f"gfvc: networks run in {backend.name} on {backend.device}", file=sys.stderr)
        self._backend = backend

    def text(self) -> str:
        return f"networks in {self._backend.name} on {self._backend.device}" if self._backend else "no networks"

    def as_dict(self) -> dict[str, str]:
        return {"backend": self._backend.name, "device": self._backend.device} if self._backend else {}


@contextlib.contextmanager
def progress_bar(text: str, *, quiet: bool, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error if that is a terminal; the callable takes the number of pictures done."""
    from tqdm import tqdm

    with tqdm(desc=text, total=total, unit=" pictures", disable=quiet or not sys.stderr.isatty(), leave=False) as bar:
        yield lambda done: bar.update(done - bar.n)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """An argparse type for integers in a range, with a message that says so."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return value

    return parse

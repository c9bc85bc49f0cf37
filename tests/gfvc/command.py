"""Run the `gfvc` command as a user does, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .media import ROOT


def environment() -> dict[str, str]:
    """Ours, with the checkout importable from every folder, and Python's output buffered as it usually is."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return usual | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def command_line(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "gfvc", *map(str, arguments)]


def gfvc(
    *arguments: object,
    given: bytes = b"",
    cwd: Path | None = None,
    stdout: BinaryIO | None = None,
    prepare: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """The finished process; ``given`` is its standard input, ``prepare`` runs in the child before the command."""
    return subprocess.run(
        command_line(*arguments),
        input=given,
        stdout=stdout or subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=environment(),
        preexec_fn=prepare,
        timeout=120,
        check=False,
    )


@contextmanager
def running(*arguments: object, prepare: Callable[[], None] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The process, with pipes for what it writes; one that hangs does not outlive the block."""
    with subprocess.Popen(
        command_line(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=prepare,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def error_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one line that a failed command leaves on standard error."""
    return only_line(done.stderr.decode())


def only_line(text: str) -> str:
    """``text`` if it is one line of ours."""
    assert "Traceback" not in text
    assert text.count("\n") == 1, text
    assert text.startswith("gfvc")
    return text

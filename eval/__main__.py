"""`python -m eval rd` and `python -m eval compare`; the other measurements run as `python -m eval.NAME`."""

from __future__ import annotations

import importlib
import os
import sys

from gfvc.errors import GfvcError

COMMANDS = {
    "rd": "rate-distortion curves of gfvc and of conventional codecs over a folder of clips, with a report",
    "compare": "two result folders of `rd` side by side",
}


def usage() -> str:
    lines = [f"  {name:8} {text}" for name, text in COMMANDS.items()]
    return "\n".join(["usage: python -m eval COMMAND [options]", *lines])


def main(argv: list[str] | None = None) -> int:
    """Run one command; exit code 0 done, 1 some points failed, 2 bad input or options, 130 interrupted."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        print(f"python -m eval: unknown command {argv[0]!r}, one of {', '.join(COMMANDS)} expected", file=sys.stderr)
        return 2
    module = importlib.import_module({"rd": "eval.rd.command", "compare": "eval.compare"}[argv[0]])
    try:
        return module.main(argv[1:])
    except GfvcError as error:
        print(f"python -m eval {argv[0]}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"python -m eval {argv[0]}: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"python -m eval {argv[0]}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())

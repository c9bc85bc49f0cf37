"""The `gfvc` command: finds the subcommand, runs it, turns errors into one line and an exit code.

Exit codes: 0 done; 1 the stream does not conform (`check`) or something needed is missing (`doctor`); 2 bad input or
options; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from typing import NoReturn

from bitstream import BitstreamError

from .errors import GfvcError
from .version import __version__

COMMANDS = {
    "encode": "encode a face video to a .gfv stream, or to an AVC, HEVC or VVC stream with GFV SEI messages",
    "decode": "decode such a stream to a video",
    "convert": "carry a stream another way: .gfv, .264, .265, .266",
    "info": "show what a stream holds and what it costs",
    "check": "verify a stream against SPEC.md",
    "export": "write the networks as ONNX, OpenVINO or TorchScript graphs, compared with PyTorch",
    "bench": "measure pictures per second, stage by stage, on this machine",
    "play": "show a decoded stream in real time",
    "loop": "encode and decode live, original and generated picture side by side",
    "models": "list families, networks and weights",
    "demo": "encode and decode the demo clip, and show both side by side",
    "train": "train a model on a folder of clips",
    "doctor": "show what is installed, what will be used and what is missing",
}


class OneLineParser(argparse.ArgumentParser):
    """argparse prints its whole usage before an error; ours is one line that names the way to the help."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """The parser; only the module of ``command`` is imported, so that `info` and `check` start without torch."""
    parser = OneLineParser(prog="gfvc", description="Generative face video codec: talking heads at 1 to 6 kbit/s.")
    parser.add_argument("--version", action="version", version=f"gfvc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        child = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        if name == command:
            module = importlib.import_module(f".commands.{name}", __package__)
            module.add_arguments(child)
            child.set_defaults(run=module.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Entry point of the `gfvc` script; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    logging.basicConfig(format="gfvc: %(message)s", level=logging.WARNING)
    command = next((word for word in argv if not word.startswith("-")), None)
    try:
        args = build_parser(command).parse_args(argv)
        code = args.run(args)
        sys.stdout.flush()
        return code
    except BitstreamError as error:
        return _fail(f"{_input_name(locals().get('args'))}: {error}")
    except GfvcError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # The reader of our pipe has gone; that is its right.
        _drop_output()
        return 141
    except OSError as error:
        name = error.filename or getattr(locals().get("args"), "output", "output")
        return _fail(f"{name}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("gfvc: interrupted", file=sys.stderr)
        return 130


def _fail(message: str) -> int:
    print(f"gfvc: {' '.join(message.split())}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()
    return 2


def _drop_output() -> None:
    """What cannot be written any more: Python must not complain about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _input_name(args: argparse.Namespace | None) -> str:
    name = str(getattr(args, "input", "stream"))
    return "standard input" if name == "-" else name


if __name__ == "__main__":
    raise SystemExit(main())

"""Fuzz a parser: it shall not crash, hang, or take more than 256 MB.

    python -m tests.fuzz TARGET [--seconds 600]    (container, nal, message)
    python -m tests.fuzz seeds                     (write the seed corpus anew)

An input that breaks a rule is left in the current folder as `crash-*`, `timeout-*` or `oom-*`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile

NAMES = ("container", "nal", "message")
MEMORY_MB = 256
HANG_SECONDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=(*NAMES, "seeds"))
    parser.add_argument("--seconds", type=int, default=600)
    args = parser.parse_args()
    if args.target == "seeds":
        from .seeds import write_corpus

        write_corpus()
        return 0
    try:
        import atheris
    except ModuleNotFoundError:
        sys.exit("python -m tests.fuzz: atheris is missing: pip install 'gfvc[fuzz]'")
    with atheris.instrument_imports(include=["bitstream"]):
        from .targets import TARGETS
    from .seeds import CORPUS

    with tempfile.TemporaryDirectory(prefix="gfvc-fuzz-") as found:
        flags = [f"-max_total_time={args.seconds}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={HANG_SECONDS}"]
        command = [sys.argv[0], *flags, "-print_final_stats=1", found, str(CORPUS / args.target)]
        atheris.Setup(command, TARGETS[args.target])
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""`gfvc encode IN OUT`: to .gfv, or to .264, .265 or .266 with GFV SEI messages."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..carriage import DEFAULT_CODEC
from ..encoder import encode
from ..errors import GfvcError
from ..files import PIPE
from ..key_picture import CODECS
from ..models.store import DEFAULTS
from ..options import EncoderOptions
from ..rate import encode_at_bitrate
from .common import (
    Announcer,
    add_backend_arguments,
    add_carriage_arguments,
    print_json,
    print_summary,
    progress_bar,
    whole_number,
)


def add_encoding_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `EncoderOptions`."""
    _add_key_arguments(parser)
    _add_parameter_arguments(parser)
    _add_group_arguments(parser)
    add_backend_arguments(parser)


def _add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """Family, and how key pictures are coded."""
    defaults = EncoderOptions()
    parser.add_argument("--family", choices=sorted(DEFAULTS), default=defaults.family, help="kind of facial parameters")
    parser.add_argument("--weights", type=Path, help="safetensors file to use instead of the family's default model")
    parser.add_argument(
        "--key-codec",
        choices=("auto", *sorted(CODECS)),
        default=defaults.key_codec,
        help=f"codec of the key pictures; auto: {DEFAULT_CODEC} in .gfv, and in an elementary stream its own",
    )
    qps = ", ".join(f"{name} {entry.default_qp} of 0..{entry.max_qp}" for name, entry in CODECS.items())
    parser.add_argument(
        "--key-qp", type=whole_number(0, 63), help=f"quantiser of the key pictures on their codec's scale ({qps})"
    )
    parser.add_argument(
        "--chroma", choices=("420", "444"), default=defaults.chroma, help="chroma format of the key pictures"
    )


def _add_parameter_arguments(parser: argparse.ArgumentParser) -> None:
    """How parameters become integers."""
    defaults = EncoderOptions()
    parser.add_argument(
        "--quantiser",
        type=whole_number(-12, 12),
        default=defaults.quantiser,
        metavar="N",
        help="parameter steps finer (N > 0) or coarser by N quarter octaves",
    )
    parser.add_argument(
        "--dead-zone",
        type=float,
        default=defaults.dead_zone,
        metavar="STEPS",
        help="changes up to so many steps are not sent (default: each parameter group's own)",
    )
    parser.add_argument(
        "--smoothing",
        type=float,
        default=defaults.smoothing,
        metavar="SHARE",
        help="of small changes of parameters over time: 0 none, up to 0.95",
    )
    parser.add_argument(
        "--registration",
        choices=("auto", "off"),
        default=defaults.registration,
        help="auto: fit the parameters to what the decoder makes of the key picture, where the model allows",
    )
    parser.add_argument(
        "--rest",
        type=float,
        default=defaults.rest,
        metavar="WEIGHT",
        help="with registration: holds what rests in the picture to what was shown; 0 does not, up to 100",
    )
    parser.add_argument(
        "--lagrangian",
        type=float,
        default=defaults.lagrangian,
        metavar="ERROR",
        help="with registration: the square error of luma (0..1) that a bit of parameters is worth; 0 for dead zones",
    )
    parser.add_argument(
        "--lookahead",
        type=whole_number(0, 64),
        default=defaults.lookahead,
        metavar="N",
        help="pictures whose parameters are decided together, with N more in sight; 0 has the least delay",
    )


def _add_group_arguments(parser: argparse.ArgumentParser) -> None:
    """When groups and units begin."""
    defaults = EncoderOptions()
    parser.add_argument(
        "--key-interval", type=whole_number(1, 1 << 30), metavar="N", help="a new key picture every N pictures"
    )
    parser.add_argument(
        "--key-refresh",
        choices=("auto", "off"),
        default=defaults.key_refresh,
        help="auto: new key pictures at scene cuts and where they pay off",
    )
    parser.add_argument(
        "--refresh-threshold",
        type=float,
        default=defaults.refresh_threshold,
        metavar="SSIM",
        help="structural similarity under which a new key picture is tried",
    )
    parser.add_argument(
        "--refresh-gain",
        type=float,
        default=defaults.refresh_gain,
        metavar="SSIM",
        help="how much better the new key picture must be",
    )
    parser.add_argument(
        "--refresh-wait",
        type=float,
        default=defaults.refresh_wait_s,
        dest="refresh_wait_s",
        metavar="SECONDS",
        help="shortest time between two tries",
    )
    parser.add_argument(
        "--run",
        type=whole_number(1, 256),
        default=defaults.run,
        dest="run_length",
        metavar="N",
        help="pictures per unit: 1 has the least delay, more cost less",
    )


def options_from(args: argparse.Namespace) -> EncoderOptions:
    """EncoderOptions from parsed arguments.

    Raises GfvcError for values out of range.
    """
    return EncoderOptions(
        family=args.family,
        weights=args.weights,
        key_codec=args.key_codec,
        key_qp=args.key_qp,
        chroma=args.chroma,
        quantiser=args.quantiser,
        dead_zone=args.dead_zone,
        smoothing=args.smoothing,
        registration=args.registration,
        rest=args.rest,
        lagrangian=args.lagrangian,
        lookahead=args.lookahead,
        key_interval=args.key_interval,
        key_refresh=args.key_refresh,
        refresh_threshold=args.refresh_threshold,
        refresh_gain=args.refresh_gain,
        refresh_wait_s=args.refresh_wait_s,
        run=args.run_length,
        device=args.device,
        backend=args.backend,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", help="any video that FFmpeg reads, of one face, 64x64 to 1024x1024; - for standard input"
    )
    parser.add_argument("output", help=".gfv, .264, .265 or .266 file; - for standard output")
    add_encoding_arguments(parser)
    parser.add_argument(
        "--bitrate",
        type=float,
        metavar="KBPS",
        help="kbit/s of the whole file at most: finds the finest --key-qp for it (the input has to be a file)",
    )
    add_carriage_arguments(parser)
    parser.add_argument("-f", "--force", action="store_true", help="overwrite the output")
    parser.add_argument("--json", action="store_true", help="print the cost as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no summary")


def run(args: argparse.Namespace) -> int:
    options = options_from(args)
    if args.bitrate is not None and args.key_qp is not None:
        raise GfvcError("--bitrate and --key-qp: one of them, not both")
    announcer = Announcer(quiet=args.quiet or args.json)
    with progress_bar("encode", quiet=args.quiet) as progress:
        carriage = {"carriage": args.carriage, "syntax": args.syntax, "force": args.force, "progress": progress}
        carriage |= {"announce": announcer}
        if args.bitrate is None:
            summary = encode(args.input, args.output, options, **carriage)
        else:
            summary = encode_at_bitrate(args.input, args.output, args.bitrate, options, **carriage)
    piped = args.output == PIPE
    if args.json:
        print_json(summary.as_dict() | announcer.as_dict(), to_stderr=piped)
    elif not args.quiet:
        print_summary(summary, to_stderr=piped)
        print(announcer.text(), file=sys.stderr if piped else sys.stdout)
    return 0

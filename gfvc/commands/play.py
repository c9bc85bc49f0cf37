"""`gfvc play FILE`."""

from __future__ import annotations

import argparse
import sys

from ..files import open_source
from ..screens import AUTO, SCREENS, open_screen
from .common import add_backend_arguments, print_json, whole_number


def add_screen_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the pictures are shown."""
    parser.add_argument(
        "--screen", choices=SCREENS, default=AUTO, help="auto: a window where there is a display, else a page"
    )
    parser.add_argument(
        "--port", type=whole_number(0, 65535), default=0, help="of the page on 127.0.0.1; 0: a free one"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help=".gfv, .264, .265 or .266 file; - for standard input")
    add_screen_arguments(parser)
    add_backend_arguments(parser)
    parser.add_argument("--fast", action="store_true", help="as fast as pictures are decoded, not at their times")
    parser.add_argument("--json", action="store_true", help="print at the end what was shown")
    parser.add_argument("-q", "--quiet", action="store_true", help="print no place and no summary")


def run(args: argparse.Namespace) -> int:
    from ..player import Player

    with open_source(args.input) as stream:
        player = Player(stream, backend=args.backend, device=args.device)
        backend = player.backend
        with open_screen(args.screen, player.info.width, player.info.height, args.port) as screen:
            if not args.quiet:
                print(f"gfvc: {screen.place}; networks in {backend.name} on {backend.device}", file=sys.stderr)

            def show(picture) -> bool:
                screen.show(picture.rgb, f"gfvc: {args.input}")
                return not screen.closed

            played = player.play(show, clock=not args.fast)
    if args.json:
        print_json(played._asdict() | {"backend": backend.name, "device": backend.device})
    elif not args.quiet:
        print(f"{played.pictures} pictures shown, {played.late} of them late")
    return 0

"""What a carriage asks of the encoder's options, and its errors as ours."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from os import PathLike
from typing import TYPE_CHECKING, BinaryIO

from bitstream.carriage import CARRIAGES, carriage_of
from bitstream.detect import GFV_FILE
from bitstream.errors import CarriageError
from bitstream.sei.messages import AM0334

from .errors import GfvcError

if TYPE_CHECKING:
    from .options import EncoderOptions

DEFAULT_SYNTAX = AM0334
AUTO = "auto"
# Of `.gfv`; an elementary stream has its own.
DEFAULT_CODEC = "av1"


def choose_carriage(target: str | PathLike[str] | BinaryIO, carriage: str | None) -> str:
    """``carriage``, or the one that the suffix of ``target`` asks for; `.gfv` for pipes and file objects.

    Raises GfvcError for an unknown carriage.
    """
    if carriage is None:
        return carriage_of(target) if isinstance(target, str | PathLike) else GFV_FILE
    if carriage not in CARRIAGES:
        raise GfvcError(f"carriage {carriage!r}, one of {', '.join(CARRIAGES)} expected")
    return carriage


def options_for(options: EncoderOptions, carriage: str) -> EncoderOptions:
    """The options with their key codec chosen; an elementary stream also has one message a picture.

    Raises GfvcError for a key codec that the carriage cannot hold.
    """
    if carriage == GFV_FILE:
        codec = DEFAULT_CODEC if options.key_codec == AUTO else options.key_codec
        return dataclasses.replace(options, key_codec=codec)
    if options.key_codec not in (AUTO, carriage):
        raise GfvcError(
            f"--key-codec {options.key_codec} in a stream of {carriage}, whose key pictures are {carriage} too; "
            "leave the option out, or write a .gfv file"
        )
    return dataclasses.replace(options, key_codec=carriage, run=1)


@contextlib.contextmanager
def carriage_errors(target: object) -> Iterator[None]:
    """Turn what a carriage cannot hold into an error that names the output."""
    try:
        yield
    except CarriageError as error:
        name = target if isinstance(target, str | PathLike) else "output"
        raise GfvcError(f"{name}: {error}") from None

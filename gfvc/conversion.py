"""Carry a stream another way: parameters and key pictures stay as they are."""

from __future__ import annotations

from os import PathLike
from typing import BinaryIO

from bitstream import KeyPicture, Picture, StreamSummary
from bitstream.carriage import open_reader, open_writer
from bitstream.container import MAX_RUN
from bitstream.detect import GFV_FILE

from .carriage import DEFAULT_SYNTAX, carriage_errors, choose_carriage
from .errors import GfvcError
from .files import open_source, open_target


def convert(
    source: str | PathLike[str] | BinaryIO,
    target: str | PathLike[str] | BinaryIO,
    *,
    carriage: str | None = None,
    syntax: str = DEFAULT_SYNTAX,
    run: int = 16,
    force: bool = False,
) -> StreamSummary:
    """Read a stream of any carriage and write it in another; every quantised parameter stays the same.

    carriage: of the output, None goes by the suffix of ``target``; syntax: form of the GFV messages; run: pictures in a
    unit of a `.gfv` file, 1..256. Raises GfvcError, naming it, for what cannot be carried, and BitstreamError for a
    damaged source; the target then does not appear.
    """
    if not 1 <= run <= MAX_RUN:
        raise GfvcError(f"--run {run}, 1..{MAX_RUN} expected")
    carriage = choose_carriage(target, carriage)
    with carriage_errors(target), open_source(source) as stream:
        reader = open_reader(stream)
        codec = reader.header.key_codec
        if carriage not in (GFV_FILE, codec):
            raise GfvcError(
                f"{target}: the key pictures are coded with {codec}, a stream of {carriage} cannot carry them; "
                f"encode with --key-codec {carriage}"
            )
        with open_target(target, force=force) as out:
            writer = open_writer(carriage, reader.header, syntax)
            out.write(writer.header_bytes())
            waiting: list[Picture] = []
            for picture in reader.pictures():
                key = isinstance(picture, KeyPicture)
                if waiting and (key or len(waiting) == run):
                    out.write(writer.parameters(waiting))
                    waiting = []
                if isinstance(picture, KeyPicture):
                    for unit in writer.key_picture(picture):
                        out.write(unit)
                else:
                    waiting.append(picture)
            if waiting:
                out.write(writer.parameters(waiting))
            out.write(writer.end())
            return writer.tally.summary()

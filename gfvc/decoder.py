"""The decoder: units in, pictures out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np

from bitstream import BitstreamError, Header, KeyPicture, Picture
from bitstream.carriage import Reader
from bitstream.carriage import open_reader as open_stream

from .backends.base import Backend, Key
from .backends.choice import AUTO, open_backend
from .files import open_source
from .key_picture import CodedPicture, KeyPictureCodec
from .models.store import find_for_stream
from .parameters import Quantiser
from .pipeline import overlap
from .stillness import DEFAULT_SLACK, Settler
from .video import DEFAULT_CRF, TimedPicture, VideoInfo, open_writer

Result = TypeVar("Result")


class Generated(NamedTuple):
    """A picture as its job leaves it; ``is_key``: it is a key picture."""

    picture: TimedPicture
    is_key: bool


class _Driven(NamedTuple):
    """A driven picture: its values and what is generated from them, once it is."""

    values: tuple[int, ...]
    rgb: Future[np.ndarray]


class Decoder:
    """Streaming decoder of one stream: one parsed picture in, one shown picture out, never waiting for a later one."""

    def __init__(
        self,
        header: Header,
        *,
        weights: Path | None = None,
        device: str = "auto",
        backend: str = AUTO,
        slack: int = DEFAULT_SLACK,
    ) -> None:
        """slack: changes of up to so many levels of 255 are not shown (`stillness`).

        Raises ModelError if the stream's model is not here.
        """
        self.header = header
        self.backend = open_backend(
            find_for_stream(header.model, header.model_hash, header.family, weights), backend, device
        )
        if header.layout.count != self.backend.count:
            raise BitstreamError(
                f"{header.layout.count} parameters a picture, model {header.model} has {self.backend.count}",
                offset=5,
                clause="6.2",
            )
        self._quantiser = Quantiser(header.layout)
        self._codec = KeyPictureCodec(
            header.key_codec, header.width, header.height, header.colour, header.chroma_format
        )
        self._key: Future[Key] | None = None
        self._before: _Driven | None = None
        self._settler = Settler(slack)
        self._pts = 0

    @property
    def info(self) -> VideoInfo:
        """Size, timing and colour of the pictures that come out."""
        header = self.header
        return VideoInfo(header.width, header.height, Fraction(*header.time_base), header.picture_ticks, header.colour)

    def push(self, picture: Picture) -> TimedPicture:
        """Show a picture.

        Raises BitstreamError if a key picture cannot be decoded (its offset is that in the payload).
        """
        before = self._key
        try:
            return self.settle(self.job(picture)())
        except BaseException:
            self._key = before
            raise

    def settle(self, generated: Generated) -> TimedPicture:
        """What to show for a generated picture; for all of them, in order."""
        picture = generated.picture
        return picture._replace(rgb=self._settler(picture.rgb, is_key=generated.is_key))

    def job(self, picture: Picture) -> Callable[[], Generated]:
        """As `push`, in three steps: this one, for all pictures in order, what it returns, on any thread, and `settle`.

        Jobs wait for that of their key picture, and for that of a picture they repeat, so start them in order.
        """
        self._pts += picture.ticks
        pts, parameters = self._pts, self._quantiser.dequantise(picture.values)
        if isinstance(picture, KeyPicture):
            prepared = self._key = Future()
            self._before = None

            def prepare() -> Key:
                rgb = self._codec.decode(CodedPicture(picture.config, picture.payload))
                return self.backend.prepare(rgb, parameters)

            return lambda: Generated(TimedPicture(_fulfil(prepared, prepare).shown, pts), True)
        if self._key is None:
            raise BitstreamError("parameters before the first key picture", offset=0, clause="6.5")
        if self._before is not None and self._before.values == picture.values:
            # A third of the pictures of a talking head: they cost next to no bits, and no time either.
            repeated = self._before.rgb
            return lambda: Generated(TimedPicture(repeated.result(), pts), False)
        key = self._key
        self._before = before = _Driven(picture.values, Future())

        def generate() -> np.ndarray:
            return self.backend.generate(key.result(), parameters)

        return lambda: Generated(TimedPicture(_fulfil(before.rgb, generate), pts), False)


def _fulfil(future: Future[Result], work: Callable[[], Result]) -> Result:
    """Do the work that others wait for; its error is theirs too."""
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)
        raise
    return future.result()


def show_all(reader: Reader, decoder: Decoder, use: Callable[[TimedPicture], None]) -> None:
    """Decode all pictures of a stream, several at once, and ``use`` them in order, on another thread.

    Raises BitstreamError at damage, after all pictures before it have been used.
    """
    offsets: deque[int] = deque()

    def pictures() -> Iterator[Picture]:
        for unit, found in reader.units():
            for picture in found:
                offsets.append(unit.payload_offset)
                yield picture

    def shown(generated: Generated) -> None:
        offsets.popleft()
        use(decoder.settle(generated))

    try:
        overlap(pictures(), decoder.job, shown, decoder.backend.workers)
    except BitstreamError as error:
        # A fault of the stream's syntax comes when all before it is shown; one inside a coded picture before that.
        raise (error.at(offsets[0]) if offsets else error) from None


def decode(
    source: str | PathLike[str] | BinaryIO,
    target: str | PathLike[str] | BinaryIO,
    *,
    weights: Path | None = None,
    device: str = "auto",
    backend: str = AUTO,
    slack: int = DEFAULT_SLACK,
    crf: int = DEFAULT_CRF,
    force: bool = False,
    progress: Callable[[int], None] = lambda pictures: None,
    announce: Callable[[Backend], None] = lambda backend: None,
) -> int:
    """Decode a stream, `.gfv` or elementary, to a video file (.mp4, .mkv, .mov, .y4m, .rgb), to `-` or a binary file
    object (Matroska).

    slack: changes of up to so many levels of 255 are not shown, 0 shows all. ``announce`` is called with the backend
    that will run.

    Returns the number of pictures. On a damaged stream the target is finished with all pictures before the damage, then
    BitstreamError is raised. Raises GfvcError and its kinds for anything else.
    """
    with open_source(source) as stream:
        reader = open_stream(stream)
        decoder = Decoder(reader.header, weights=weights, device=device, backend=backend, slack=slack)
        announce(decoder.backend)
        damage: BitstreamError | None = None
        count = 0
        with open_writer(target, decoder.info, force=force, crf=crf) as writer:

            def write(picture: TimedPicture) -> None:
                nonlocal count
                writer.write(picture)
                count += 1
                progress(count)

            try:
                show_all(reader, decoder, write)
            except BitstreamError as error:
                if not count:
                    raise
                damage = error
        if damage is not None:
            raise damage
        return count

"""The decoder: units in, pictures out."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from bitstream import BitstreamError, Header, KeyPicture, Picture
from bitstream.carriage import open_reader as open_stream

from .files import open_source
from .key_picture import CodedPicture, KeyPictureCodec
from .models.registry import load_for_stream
from .options import choose_device
from .parameters import Quantiser
from .quality import to_rgb8, to_tensor
from .video import TimedPicture, VideoInfo, open_writer


class Decoder:
    """Streaming decoder of one stream: one parsed picture in, one shown picture out, never waiting for a later one."""

    def __init__(self, header: Header, *, weights: Path | None = None, device: str = "auto") -> None:
        """Raises ModelError if the stream's model is not here."""
        self.header = header
        self.device = choose_device(device)
        self._model = load_for_stream(header.model, header.model_hash, header.family, weights, self.device).model
        count = sum(group.count for group in self._model.groups)
        if header.layout.count != count:
            raise BitstreamError(
                f"{header.layout.count} parameters a picture, model {header.model} has {count}", offset=5, clause="6.2"
            )
        self._quantiser = Quantiser(header.layout)
        self._codec = KeyPictureCodec(
            header.key_codec, header.width, header.height, header.colour, header.chroma_format
        )
        self._state = None
        self._pts = 0

    @property
    def info(self) -> VideoInfo:
        """Size, timing and colour of the pictures that come out."""
        header = self.header
        return VideoInfo(header.width, header.height, Fraction(*header.time_base), header.picture_ticks, header.colour)

    @torch.inference_mode()
    def push(self, picture: Picture) -> TimedPicture:
        """Show a picture.

        Raises BitstreamError if a key picture cannot be decoded (its offset is that in the payload).
        """
        self._pts += picture.ticks
        parameters = self._tensor(picture)
        if isinstance(picture, KeyPicture):
            rgb = self._codec.decode(CodedPicture(picture.config, picture.payload))
            self._state = self._model.prepare(to_tensor(rgb, self.device), parameters)
            return self._shown(self._state.picture)
        if self._state is None:
            raise BitstreamError("parameters before the first key picture", offset=0, clause="6.5")
        return self._shown(self._model.generate(self._state, parameters))

    def _shown(self, picture: Tensor) -> TimedPicture:
        return TimedPicture(to_rgb8(picture, self.header.height, self.header.width), self._pts)

    def _tensor(self, picture: Picture) -> Tensor:
        return torch.from_numpy(self._quantiser.dequantise(picture.values))[None].to(self.device)


def decode(
    source: str | PathLike[str] | BinaryIO,
    target: str | PathLike[str] | BinaryIO,
    *,
    weights: Path | None = None,
    device: str = "auto",
    crf: int = 10,
    force: bool = False,
    progress: Callable[[int], None] = lambda pictures: None,
) -> int:
    """Decode a stream, `.gfv` or elementary, to a video file (.mp4, .mkv, .mov, .y4m, .rgb), to `-` or a binary file
    object (Matroska).

    Returns the number of pictures. On a damaged stream the target is finished with all pictures before the damage, then
    BitstreamError is raised. Raises GfvcError and its kinds for anything else.
    """
    with open_source(source) as stream:
        reader = open_stream(stream)
        decoder = Decoder(reader.header, weights=weights, device=device)
        damage: BitstreamError | None = None
        count = 0
        with open_writer(target, decoder.info, force=force, crf=crf) as writer:
            try:
                for unit, pictures in reader.units():
                    for picture in pictures:
                        try:
                            shown = decoder.push(picture)
                        except BitstreamError as error:
                            raise error.at(unit.payload_offset) from None
                        writer.write(shown)
                        count += 1
                        progress(count)
            except BitstreamError as error:
                if not count:
                    raise
                damage = error
        if damage is not None:
            raise damage
        return count

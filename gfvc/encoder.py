"""The encoder: pictures in, units out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fractions import Fraction
from os import PathLike
from typing import BinaryIO, NamedTuple

import numpy as np

from bitstream import Header, KeyPicture, Picture, StreamSummary, StreamTally
from bitstream.carriage import open_writer
from bitstream.detect import GFV_FILE
from bitstream.header import MAX_SIDE, MAX_TIME, MIN_SIDE

from .backends.base import Backend, Key
from .backends.choice import open_backend
from .carriage import DEFAULT_SYNTAX, carriage_errors, choose_carriage, options_for
from .errors import VideoError
from .files import open_target
from .key_picture import CODECS, CodedPicture, KeyPictureCodec
from .lookahead import Candidate, Lookahead
from .models.mode_map import ModeMap
from .models.point_map import PointMap
from .models.store import find_weights
from .options import EncoderOptions
from .parameters import Smoother, family_quantiser
from .pipeline import overlap
from .registration import Registration
from .similarity import SCENE_CUT, picture_change, rests, structural_similarity
from .video import TimedPicture, VideoInfo, VideoReader

# Pictures that may wait analysed: while a key picture is coded, the other core goes on.
_WAITING = 20
# How many pictures a changed value is taken to be of use for, where it is chosen for one picture alone.
_LASTING = 4
# The share of `rest` with which each picture is fitted, where trembling is weighed ahead: a fit that is held firmly
# loses words.
_FITTED_REST = 0.1
# A new key picture waits for so many pictures at most until half of the picture moves: where all rests it flashes.
_PATIENCE = 8


class _Group(NamedTuple):
    """A coded key picture, its quantised parameters and what the decoder will make of them."""

    coded: CodedPicture
    values: list[int]
    key: Key


class Encoder:
    """Streaming encoder of one video.

    Give it pictures with `push`; send what comes back; end with `flush`.

    modes: those of the head's motion that it looks for.
    """

    def __init__(
        self,
        info: VideoInfo,
        options: EncoderOptions | None = None,
        *,
        carriage: str = GFV_FILE,
        syntax: str = DEFAULT_SYNTAX,
    ) -> None:
        """carriage: `gfv`, or `avc`, `hevc`, `vvc` for an elementary stream with GFV messages, whose form is syntax.

        Raises GfvcError (and its kinds) for sizes, options, models or codecs that do not work.
        """
        self.options = options_for(options or EncoderOptions(), carriage)
        if not (MIN_SIDE <= info.width <= MAX_SIDE and MIN_SIDE <= info.height <= MAX_SIDE):
            raise VideoError(
                f"pictures of {info.width}x{info.height}, {MIN_SIDE}..{MAX_SIDE} expected; crop the face and scale it, "
                "to 256x256 for example"
            )
        self.info = info
        weights = find_weights(self.options.family, self.options.weights)
        self.backend = open_backend(weights, self.options.backend, self.options.device)
        self._quantiser = family_quantiser(self.backend.groups, self.options.quantiser, self.options.dead_zone)
        self._smoother = Smoother(self._quantiser.steps, self.options.smoothing)
        self._codec = KeyPictureCodec(self.options.key_codec, info.width, info.height, info.colour, self.options.chroma)
        self._qp = CODECS[self.options.key_codec].default_qp if self.options.key_qp is None else self.options.key_qp
        time_base = info.time_base.limit_denominator(MAX_TIME)
        header = Header(
            info.width,
            info.height,
            time_base.as_integer_ratio(),
            min(info.picture_ticks, MAX_TIME),
            info.colour,
            self.options.key_codec,
            self.options.chroma,
            self.options.family,
            self._quantiser.layout,
            weights.name,
            weights.stream_hash,
        )
        self.writer = open_writer(carriage, header, syntax)
        # Of the quantiser's ways: by what a bit gains, or by dead zones.
        self._weighs_bits = bool(self.options.lagrangian) and not self._quantiser.follows
        self._lookahead = Lookahead(self._quantiser.steps, self.options.lagrangian, self.options.lookahead)
        # Ticks of the pictures whose values are not decided yet.
        self._ticks: deque[int] = deque()
        self._run: list[Picture] = []
        self._last_pts: int | None = None
        self._since_key = 0
        self._next_try = 0
        # Pictures for which a new key picture has waited.
        self._waited = 0
        self._values: list[int] = []
        self._before: np.ndarray | None = None
        self._key: Key | None = None
        # From the values, where the closed loop has looked at them.
        self._generated: np.ndarray | None = None
        self._points, self.modes = PointMap(weights), ModeMap.of(weights)
        self._registration: Registration | None = None

    @property
    def tally(self) -> StreamTally:
        """What has been written so far, by kind."""
        return self.writer.tally

    def header_bytes(self) -> bytes:
        """The file header, to be sent before any unit."""
        return self.writer.header_bytes()

    def push(self, picture: TimedPicture, parameters: np.ndarray | None = None) -> list[bytes]:
        """Encode the next picture; returns the units that are ready, often none.

        parameters: what `backend.analyse` finds in it, where that has been done already. Raises VideoError for another
        picture size.
        """
        if picture.rgb.shape != (self.info.height, self.info.width, 3):
            raise VideoError(
                f"a picture of shape {picture.rgb.shape}, ({self.info.height}, {self.info.width}, 3) expected"
            )
        ticks = 0 if self._last_pts is None else picture.pts - self._last_pts
        if self._last_pts is not None and not 1 <= ticks <= MAX_TIME:
            raise VideoError(f"a picture at tick {picture.pts} after one at {self._last_pts}; times have to rise")
        self._last_pts = picture.pts
        units: list[bytes] = []
        if self._key is None or self._since_key == self.options.key_interval or self._is_cut(picture.rgb):
            units += self._start_group(picture.rgb, ticks)
        else:
            found = self.backend.analyse(picture.rgb) if parameters is None else parameters
            candidate, values = self._quantised(picture.rgb, found)
            better = self._better_key(picture.rgb, values)
            if better is not None:
                units += self._start_group(picture.rgb, ticks, better)
            else:
                units += self._drive(ticks, candidate, values)
        self._before = picture.rgb
        return units

    def flush(self) -> list[bytes]:
        """The last units: call once, after the last picture."""
        return [*self._flush_run(), self.writer.end()]

    def _quantised(self, rgb: np.ndarray, found: np.ndarray) -> tuple[Candidate | None, list[int]]:
        """What to send of a driving picture, from what the analysis has found in it; and what a choice that looks ahead
        starts from, where there can be one."""
        if self._registration is None:
            return None, self._quantiser.quantise(self._smoother(found), self._values)
        shown = self._quantiser.dequantise(self._values)
        fit = self._registration.fit(rgb, found, shown)
        fit = fit._replace(parameters=self._smoother(fit.parameters))
        if not self._weighs_bits:
            return None, self._quantiser.quantise(fit.parameters, self._values)
        metric, lagrangian = fit.metric + fit.trembling, self.options.lagrangian / _LASTING
        values = self._quantiser.optimise(fit.parameters, metric, self._values, lagrangian)
        return Candidate(fit, shown, values), values

    def _drive(self, ticks: int, candidate: Candidate | None, values: list[int]) -> list[bytes]:
        """Take a driving picture; returns the units that are ready."""
        self._values = values
        self._since_key += 1
        self._ticks.append(ticks)
        if candidate is None or not self.options.lookahead:
            return self._append([values])
        return self._append(self._lookahead.push(candidate))

    def _append(self, decided: list[list[int]]) -> list[bytes]:
        """Add pictures whose values are decided to the run; returns the units that are full."""
        units = []
        for values in decided:
            self._run.append(Picture(self._ticks.popleft(), tuple(values)))
            if len(self._run) == self.options.run:
                units += self._end_run()
        return units

    def _is_cut(self, rgb: np.ndarray) -> bool:
        return self.options.key_refresh == "auto" and picture_change(rgb, self._before) > SCENE_CUT

    def _better_key(self, rgb: np.ndarray, values: list[int]) -> _Group | None:
        """A new key picture if what the decoder would show is poor, and the key picture is worth its bits."""
        options = self.options
        if options.key_refresh != "auto" or self._since_key < self._next_try:
            self._generated = None
            return None
        if self._generated is None or values != self._values:
            self._generated = self.backend.generate(self._key, self._quantiser.dequantise(values))
        generated = self._generated
        quality = structural_similarity(rgb, generated)
        if quality >= options.refresh_threshold:
            return None
        if self._waited < _PATIENCE and rests(rgb, self._before):
            self._waited += 1
            return None
        self._waited = 0
        group = self._code_key(rgb)
        if structural_similarity(rgb, group.key.shown) - quality >= options.refresh_gain:
            return group
        self._next_try = self._since_key + self._wait()
        return None

    def _wait(self) -> int:
        """`refresh_wait_s` in pictures."""
        return max(1, round(Fraction(self.options.refresh_wait_s) / (self.info.time_base * self.info.picture_ticks)))

    def _code_key(self, rgb: np.ndarray) -> _Group:
        coded = self._codec.encode(rgb, self._qp)
        # The decoder warps the decoded key picture, so that is what its parameters describe.
        decoded = self._codec.decode(coded)
        values = self._quantiser.quantise_key(self.backend.analyse(decoded))
        return _Group(coded, values, self.backend.prepare(decoded, self._quantiser.dequantise(values)))

    def _start_group(self, rgb: np.ndarray, ticks: int, group: _Group | None = None) -> list[bytes]:
        units = self._flush_run()
        coded, self._values, self._key = group or self._code_key(rgb)
        self._generated = None
        self._lookahead.start(self._values)
        self._smoother.reset()
        self._registration = self._registered()
        self._since_key = 1
        self._next_try, self._waited = self._wait(), 0
        units += self.writer.key_picture(KeyPicture(ticks, tuple(self._values), coded.config, coded.payload))
        return units

    def _registered(self) -> Registration | None:
        """For the pictures of the group that begins."""
        mask = self.backend.person(self._key) if self.options.registration == "auto" else None
        if mask is None:
            return None
        looks_ahead = self._weighs_bits and self.options.lookahead
        return Registration(
            self._key.shown,
            mask,
            self._quantiser.dequantise(self._values),
            self._points,
            self.options.rest * (_FITTED_REST if looks_ahead else 1),
            self.modes,
        )

    def _flush_run(self) -> list[bytes]:
        return self._append(self._lookahead.flush()) + self._end_run()

    def _end_run(self) -> list[bytes]:
        run, self._run = self._run, []
        return [self.writer.parameters(run)] if run else []


def encode(
    source: str | PathLike[str] | BinaryIO,
    target: str | PathLike[str] | BinaryIO,
    options: EncoderOptions | None = None,
    *,
    carriage: str | None = None,
    syntax: str = DEFAULT_SYNTAX,
    force: bool = False,
    progress: Callable[[int], None] = lambda pictures: None,
    announce: Callable[[Backend], None] = lambda backend: None,
) -> StreamSummary:
    """Encode a video to a stream; either may be a path, `-` or a binary file object.

    carriage: `gfv`, or `avc`, `hevc`, `vvc` for an elementary stream with GFV messages; None goes by the suffix of
    ``target``. syntax: form of the messages, `am0334` or `aj0207`.
    ``progress`` is called with the number of pictures done, ``announce`` with the backend that will
    run. Sound is not coded. Raises GfvcError and its kinds; the
    target appears only when it is whole, and an existing one is kept unless ``force``.
    """
    carriage = choose_carriage(target, carriage)
    with carriage_errors(target), VideoReader(source) as video, open_target(target, force=force) as out:
        encoder = Encoder(video.info, options, carriage=carriage, syntax=syntax)
        announce(encoder.backend)
        out.write(encoder.header_bytes())
        count = 0

        def code(analysed: tuple[TimedPicture, np.ndarray]) -> None:
            nonlocal count
            for unit in encoder.push(*analysed):
                out.write(unit)
            count += 1
            progress(count)

        def analyse(picture: TimedPicture) -> Callable[[], tuple[TimedPicture, np.ndarray]]:
            return lambda: (picture, encoder.backend.analyse(picture.rgb))

        overlap(video, analyse, code, encoder.backend.workers, _WAITING)
        for unit in encoder.flush():
            out.write(unit)
        return encoder.tally.summary()

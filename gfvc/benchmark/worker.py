"""One backend at one picture size, in a process of its own: `python -m gfvc.benchmark.worker`.

Its arguments are one JSON object; its result is another on standard output. A process of its own has its own peak
memory, and a start to be timed.
"""

from __future__ import annotations

import io
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bitstream import KeyPicture, StreamReader

from .timing import median_ms


def first_picture(stream: Path, backend: str, device: str) -> tuple[Any, Any, list[Any]]:
    """(the decoder, the first picture it shows, all parsed pictures)."""
    from ..decoder import Decoder

    with stream.open("rb") as source:
        reader = StreamReader(source)
        pictures = reader.pictures()
        first = next(pictures)
        decoder = Decoder(reader.header, backend=backend, device=device)
        return decoder, decoder.push(first), [first, *pictures]


def rate(call: Callable[[], int]) -> float:
    """Items per second of a call that returns their number."""
    started = time.perf_counter()
    return call() / (time.perf_counter() - started)


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """All of one backend at one size; see `gfvc bench --help` for the meaning of each number."""
    stream, clip = Path(job["stream"]), Path(job["clip"])
    decoder, _, parsed = first_picture(stream, job["backend"], job["device"])
    found: dict[str, Any] = {"start_s": time.time() - job["started"]}
    backend = decoder.backend
    if job.get("warm_up"):
        driving = np.zeros(backend.count, np.float32)
        backend.generate(decoder._key.result(), driving)
        backend.analyse(decoder._key.result().shown)
        return found
    found["stages_ms"] = stages(backend, decoder, parsed, clip, stream, job["seconds"])
    found |= throughput(job, clip, stream)
    found["latency_ms"] = latency(job, clip)
    found["streams"] = streams(backend, decoder, parsed, job["seconds"])
    found["peak_memory_mib"] = _peak_mib()
    if job["references"]:
        from .references import open_reference

        with tempfile.TemporaryDirectory(prefix="gfvc-") as folder:
            found["references_ms"] = {
                name: median_ms(open_reference(name, job["backend"], job["device"], Path(folder)), job["seconds"])
                for name in job["references"]
            }
    return found


def stages(backend: Any, decoder: Any, parsed: list[Any], clip: Path, stream: Path, seconds: float) -> dict[str, float]:
    """Milliseconds of each stage for one picture, one call at a time; `prepare`, `key_encode` and `key_decode` for one
    key picture."""
    from ..encoder import Encoder
    from ..options import EncoderOptions
    from ..parameters import Quantiser
    from ..video import VideoReader, open_writer

    with VideoReader(clip) as video:
        info = video.info
        started = time.perf_counter()
        pictures = list(itertools.islice(video, 50))
        found = {"read": (time.perf_counter() - started) / len(pictures) * 1e3}
    rgb = pictures[-1].rgb
    analysed = [backend.analyse(picture.rgb) for picture in pictures[:12]]
    found["analyse"] = median_ms(lambda: backend.analyse(rgb), seconds)
    rows = itertools.cycle(zip([picture.rgb for picture in pictures[1:12]], analysed[1:], strict=True))
    chosen = {"backend": backend.name, "device": backend.device, "key_refresh": "off"}
    encoder = Encoder(info, EncoderOptions(**chosen, lookahead=0))
    encoder.push(pictures[0])
    registration = encoder._registration
    found["register"] = median_ms(lambda: registration.fit(*next(rows)), seconds / 2) if registration else 0.0
    both = median_ms(lambda: encoder._quantised(*next(rows)), seconds / 2)
    found["quantise"] = max(0.0, both - found["register"])
    coding = rate(lambda: sum(1 for picture in pictures[1:] if encoder.push(picture, analysed[0]) is not None))
    found["code"] = max(0.0, 1e3 / coding - both)
    found["look_ahead"] = look_ahead_ms(Encoder(info, EncoderOptions(**chosen)), pictures, analysed)
    key_coded = encoder._codec.encode(rgb, encoder._qp)
    found["key_encode"] = median_ms(lambda: encoder._codec.encode(rgb, encoder._qp), seconds / 2)
    found["key_decode"] = median_ms(lambda: encoder._codec.decode(key_coded), seconds / 2)
    data = stream.read_bytes()
    count = len(parsed)
    found["parse"] = median_ms(lambda: list(StreamReader(io.BytesIO(data)).pictures()), seconds / 2) / count
    key = decoder._key.result()
    driving = Quantiser(decoder.header.layout).dequantise(parsed[-1].values)
    found["prepare"] = median_ms(lambda: backend.prepare(rgb, driving), seconds / 2)
    found["generate"] = median_ms(lambda: backend.generate(key, driving), seconds)
    for kind in ("rgb", "y4m", "mp4"):
        with tempfile.TemporaryDirectory(prefix="gfvc-") as folder:
            with open_writer(Path(folder, f"out.{kind}"), info) as writer:
                written = rate(lambda w=writer: sum(1 for picture in pictures if w.write(picture) is None))
        found[f"write_{kind}"] = 1e3 / written
    return found


def look_ahead_ms(encoder: Any, pictures: list[Any], analysed: list[Any]) -> float:
    """Milliseconds of a picture that the choice over several pictures takes, 0 for encoders that make none."""
    from ..lookahead import choose_together

    options, steps = encoder.options, encoder._quantiser.steps
    encoder.push(pictures[0])
    candidates, previous = [], encoder._values
    for picture, found in zip(pictures[1 : 1 + 2 * options.lookahead], itertools.cycle(analysed[1:]), strict=False):
        candidate, encoder._values = encoder._quantised(picture.rgb, found)
        if candidate is None:
            return 0.0
        candidates.append(candidate)
    return median_ms(lambda: choose_together(candidates, previous, steps, options.lagrangian), 0.1) / options.lookahead


def throughput(job: dict[str, Any], clip: Path, stream: Path) -> dict[str, float]:
    """Pictures per second from file to file, all stages at once, after start-up."""
    from ..decoder import decode
    from ..encoder import encode
    from ..options import EncoderOptions

    chosen = {"backend": job["backend"], "device": job["device"]}
    found = {}
    with tempfile.TemporaryDirectory(prefix="gfvc-") as folder:
        found["decode_pictures_per_s"] = rate(lambda: decode(stream, Path(folder, "out.rgb"), **chosen))
        for name, refresh in (("encode_open_loop", "off"), ("encode_closed_loop", "auto")):
            options = EncoderOptions(key_refresh=refresh, **chosen)
            found[f"{name}_pictures_per_s"] = rate(
                lambda o=options: encode(clip, Path(folder, "out.gfv"), o, force=True).pictures
            )
    return found


def latency(job: dict[str, Any], clip: Path) -> dict[str, float]:
    """From a picture's way into the encoder to its way out of the decoder, one picture at a time: of driven pictures,
    and of key pictures."""
    from ..live import Loop
    from ..options import EncoderOptions
    from ..video import VideoReader

    driven, keys = [], []
    with VideoReader(clip) as video:
        loop = Loop(video.info, EncoderOptions(backend=job["backend"], device=job["device"], run=1))
        for picture in itertools.islice(video, 60):
            turn = loop.turn(picture)
            (keys if turn.is_key else driven).append(turn.latency_s * 1e3)
    return {
        "median": float(np.median(driven)),
        "95th_percentile": float(np.percentile(driven, 95)),
        "key_picture": float(np.median(keys)),
    }


def streams(backend: Any, decoder: Any, parsed: list[Any], seconds: float) -> dict[str, Any]:
    """Several streams decoded at once, a picture of each in turn: pictures per second of each, and how many streams
    reach 25 (the largest number tried that does)."""
    key = decoder._key.result()
    rows = [decoder._quantiser.dequantise(picture.values) for picture in parsed if not isinstance(picture, KeyPicture)]
    found: dict[str, float] = {}
    reached = 0
    with ThreadPoolExecutor(backend.workers) as pool:
        for number in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256):
            rounds, started = 0, time.perf_counter()
            while time.perf_counter() - started < seconds:
                batch = [rows[(rounds + index) % len(rows)] for index in range(number)]
                if backend.device == "cuda":
                    backend.generate_many([key] * number, batch)
                else:
                    list(pool.map(lambda row: backend.generate(key, row), batch))
                rounds += 1
            found[str(number)] = rounds / (time.perf_counter() - started)
            if found[str(number)] < 25:
                break
            reached = number
    return {"at_25_per_s": reached, "pictures_per_s_each": found}


def _peak_mib() -> float | None:
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))

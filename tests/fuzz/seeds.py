"""The seed corpus: streams and payloads from the repository's own test streams, small ones."""

from __future__ import annotations

import io
import json
from pathlib import Path

from bitstream.annexb import read_nal_units
from bitstream.detect import GFV_FILE, detect
from bitstream.header import read_header
from bitstream.sei.messages import SYNTAXES
from bitstream.sei.parser import is_face_message
from bitstream.sei.payload import GFVE, parse_sei, sei_position
from bitstream.units import frame_unit

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).resolve().parent / "corpus"
SEPARATOR = b"\xa5\x5a"
MAX_SEED_BYTES = 1500


def _container_seeds() -> dict[str, bytes]:
    """A whole stream, its header fields, and its units without their checksums."""
    data = (ROOT / "tests" / "bitstream" / "golden" / "small.gfv").read_bytes()
    source = io.BytesIO(data)
    _, offset, crc = read_header(source)
    parts, number = [], 0
    while (framed := frame_unit(source, offset, crc, number)) is not None:
        parts.append(bytes((framed.unit.type,)) + framed.unit.payload)
        offset, number = offset + framed.unit.size, number + 1
    return {"stream": data, "fields": data[5 : 5 + data[4]], "units": SEPARATOR.join(parts)}


def _payloads(data: bytes, syntax: str) -> bytes:
    """All messages of a stream in the form of the `message` target."""
    codec, source = detect(io.BytesIO(data))
    parts = []
    for unit in read_nal_units(source, codec):
        if sei_position(unit) and codec != GFV_FILE:
            parts += [bytes((m.type == GFVE,)) + m.payload for m in parse_sei(unit) if is_face_message(m)]
    return bytes((SYNTAXES.index(syntax),)) + SEPARATOR.join(parts)


def seeds() -> dict[str, dict[str, bytes]]:
    """Target -> name -> bytes."""
    found: dict[str, dict[str, bytes]] = {"container": _container_seeds(), "nal": {}, "message": {}}
    for path in sorted((ROOT / "bitstream" / "conformance" / "conforming").glob("*.json")):
        expected = json.loads(path.read_text())
        data = path.with_name(expected["file"]).read_bytes()
        if len(data) <= MAX_SEED_BYTES:
            found["nal"][path.stem] = data
        payloads = _payloads(data, expected["syntax"])
        if len(payloads) <= MAX_SEED_BYTES:
            found["message"][path.stem] = payloads
    return found


def write_corpus() -> None:
    for target, files in seeds().items():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (CORPUS / target / name).write_bytes(data)

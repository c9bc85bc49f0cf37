"""Run the conformance suite of the standard carriage, and show which branches of the syntax it reaches.

    python -m eval.conformance [FOLDER] [--json]

Each stream is read by the checker and compared with its JSON file; key pictures are decoded with FFmpeg where that has
the decoder. Exit code 0: all agree and every branch is reached; 1: not.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import av

from bitstream.sei.check import AUTO, check_sei_stream
from bitstream.sei.describe import as_json

from .conformance_branches import BRANCHES, branches_of

FOLDER = Path(__file__).resolve().parent.parent / "bitstream" / "conformance"
SUFFIX = {"avc": ".264", "hevc": ".265", "vvc": ".266"}
_FORMATS = {"avc": "h264", "hevc": "hevc"}


def expected_messages(data: bytes, codec: str, syntax: str) -> list[dict[str, Any]]:
    """The `messages` of a stream."""
    found: list[dict[str, Any]] = []
    check_sei_stream(
        io.BytesIO(data),
        codec,
        syntax,
        lambda message, parsed: found.append(as_json(parsed, message.position, len(message.payload))),
    )
    return found


def _flat(value: Any) -> list[float]:
    if isinstance(value, dict):
        return _flat(value["elems"])
    return [number for part in value for number in _flat(part)] if isinstance(value, list) else [value]


def parameters_md5(messages: list[dict[str, Any]]) -> str:
    """MD5 of all dequantised values of a stream as little-endian binary64: of each message points, matrices, pupils."""
    digest = hashlib.md5()
    for message in messages:
        for key in ("kps", "matrices", "pupils"):
            for number in _flat((message["value"] or {}).get(key, [])):
                digest.update(struct.pack("<d", number))
    return digest.hexdigest()


def decoded_md5(data: bytes, codec: str) -> list[str]:
    """MD5 of the samples of each decoded picture: planar 4:2:0 of 8 bits."""
    with av.open(io.BytesIO(data), format=_FORMATS[codec]) as container:
        return [hashlib.md5(frame.to_ndarray().tobytes()).hexdigest() for frame in container.decode(video=0)]


def run_conforming(path: Path, reached: Counter[str]) -> list[str]:
    """What is wrong with our reading of a conforming stream."""
    expected = json.loads(path.read_text())
    data, codec = path.with_name(expected["file"]).read_bytes(), expected["codec"]
    wrong = [] if hashlib.sha256(data).hexdigest() == expected["sha256"] else ["the stream's SHA-256 differs"]
    report = check_sei_stream(io.BytesIO(data), codec, expected["syntax"])
    wrong += [f"violation: {fault}" for fault in report.violations]
    if sorted({warned.kind for warned in report.warnings}) != expected["warnings"]:
        wrong.append("other warnings")
    messages = expected_messages(data, codec, expected["syntax"])
    if messages != expected["messages"]:
        wrong.append("other messages")
    if parameters_md5(messages) != expected["parameters_md5"]:
        wrong.append("other parameters")
    if (
        expected["syntax_is_detectable"]
        and check_sei_stream(io.BytesIO(data), codec, AUTO).syntax != expected["syntax"]
    ):
        wrong.append("the form of the syntax was not recognised")
    if expected["pictures_md5"] is not None and decoded_md5(data, codec) != expected["pictures_md5"]:
        wrong.append("other key pictures")
    for message in messages:
        reached.update(branches_of(message, expected["syntax"]))
    return wrong


def run_nonconforming(path: Path) -> list[str]:
    """What is wrong with our verdict on a stream that breaks one rule."""
    expected = json.loads(path.read_text())
    data = path.with_name(expected["file"]).read_bytes()
    report = check_sei_stream(io.BytesIO(data), expected["codec"], expected["syntax"])
    names = ("clause", "element", "found", "allowed", "offset", "bit")
    found = [{name: getattr(fault, name) for name in names} for fault in report.violations]
    return [] if found == [expected["violation"]] else [f"{found}, {expected['violation']} expected"]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.conformance", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    reached: Counter[str] = Counter()
    results = {path: run_conforming(path, reached) for path in sorted(args.folder.glob("conforming/*.json"))}
    results |= {path: run_nonconforming(path) for path in sorted(args.folder.glob("nonconforming/*.json"))}
    failed = {f"{path.parent.name}/{path.stem}": wrong for path, wrong in results.items() if wrong}
    missing = [branch for branch in BRANCHES if not reached[branch]]
    if args.json:
        print(json.dumps({"streams": len(results), "failed": failed, "branches": dict(reached), "missing": missing}))
        return 1 if failed or missing or not results else 0
    for path, wrong in results.items():
        print(f"{path.parent.name}/{path.stem:32} {'; '.join(wrong) or 'ok'}")
    print(f"\n{'branch of the syntax':64} messages")
    for branch in BRANCHES:
        print(f"{branch:64} {reached[branch] or 'NOT REACHED'}")
    print(f"\n{len(results)} streams, {len(failed)} wrong; {len(BRANCHES)} branches, {len(missing)} not reached")
    return 1 if failed or missing or not results else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Write the conformance suite of the standard carriage: streams, and what a reader has to find in them.

    python -m eval.conformance_vectors [--out bitstream/conformance]

Syntax elements are compared with those that the writer wrote, and violations with those stated by hand, before a file
is written.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from pathlib import Path
from typing import Any

from bitstream.sei.check import check_sei_stream

from .conformance import FOLDER, SUFFIX, decoded_md5, expected_messages, parameters_md5
from .conformance_build import StreamBuilder
from .conformance_faults import FAULTS
from .conformance_streams import conforming


def entry(name: str, what: str, stream: StreamBuilder, *, forced: bool) -> dict[str, Any]:
    """What the JSON file of a stream says in any case."""
    return {
        "name": name,
        "what": what,
        "codec": stream.codec,
        "file": name + SUFFIX[stream.codec],
        "sha256": hashlib.sha256(stream.data).hexdigest(),
        "syntax": stream.syntax,
        "syntax_is_detectable": not forced,
    }


def write_json(path: Path, value: dict[str, Any]) -> None:
    """One line for each message."""
    lines = [json.dumps(message, separators=(",", ":")) for message in value.pop("messages", [])]
    text = json.dumps(value, indent=1)
    if lines:
        text = text[:-2] + ',\n "messages": [\n  ' + ",\n  ".join(lines) + "\n ]\n}"
    path.write_text(text + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.conformance_vectors", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args()
    for kind in ("conforming", "nonconforming"):
        (args.out / kind).mkdir(parents=True, exist_ok=True)
    for name, what, stream in conforming():
        report = check_sei_stream(io.BytesIO(stream.data), stream.codec, stream.syntax)
        if report.violations:
            raise RuntimeError(f"{name}: {report.violations[0]}")
        forced = check_sei_stream(io.BytesIO(stream.data), stream.codec).syntax != stream.syntax
        value = entry(name, what, stream, forced=forced)
        messages = expected_messages(stream.data, stream.codec, stream.syntax)
        for message, elements in zip(messages, stream.elements, strict=False):
            if elements is not None and message["syntax_elements"] != [list(element) for element in elements]:
                raise RuntimeError(f"{name}: what was read is not what was written")
        value["warnings"] = sorted({warned.kind for warned in report.warnings})
        value["parameters_md5"] = parameters_md5(messages)
        value["pictures_md5"] = decoded_md5(stream.data, stream.codec) if stream.decodable else None
        write_json(args.out / "conforming" / f"{name}.json", value | {"messages": messages})
        (args.out / "conforming" / value["file"]).write_bytes(stream.data)
    for fault in FAULTS:
        stream = fault.stream()
        report = check_sei_stream(io.BytesIO(stream.data), stream.codec, stream.syntax)
        found = [(error.clause, error.element, error.found, error.allowed) for error in report.violations]
        if found != [fault.violation]:
            raise RuntimeError(f"{fault.name}: {found}, {fault.violation} expected")
        value = entry(fault.name, fault.what, stream, forced=True)
        value["violation"] = dict(zip(("clause", "element", "found", "allowed"), fault.violation, strict=True)) | {
            "offset": report.violations[0].offset,
            "bit": report.violations[0].bit,
        }
        write_json(args.out / "nonconforming" / f"{fault.name}.json", value)
        (args.out / "nonconforming" / value["file"]).write_bytes(stream.data)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

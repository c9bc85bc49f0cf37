"""A message's meaning as plain data, in the form of the JSON files of conformance streams (SPEC.md clause C.8).

The only place of this package where numbers become floating point: the dyadic numbers of the syntax are exact in it.
"""

from __future__ import annotations

from typing import Any

from .messages import AM0334, NN_PAYLOAD, ChromaKey, GfvMessage, NeuralNetwork
from .parser import Parsed

DEFAULT_THRESHOLDS = (48, 75)


def describe(parsed: Parsed) -> dict[str, Any] | None:
    """The decoded message: identifiers, flags, and values after prediction; None if it could not be read."""
    m = parsed.message
    if m is None:
        return None
    if isinstance(m, GfvMessage):
        value: dict[str, Any] = {"type": "gfv", "id": m.id, "cnt": m.cnt, "base": m.base}
        value |= _network(m.nn)
        if m.chroma_key is not None:
            value["chroma_key"] = _chroma_key(m.chroma_key, parsed.syntax)
        if m.fusion is not None:
            value["fusion"] = m.fusion
        value["low_confidence"] = m.low_confidence
    else:
        value = {"type": "gfve", "id": m.id, "gfv_id": m.gfv_id, "gfv_cnt": m.gfv_cnt, "base": m.base} | _network(m.nn)
    if isinstance(m, GfvMessage) and m.coordinates is not None and parsed.points is not None:
        points = parsed.points
        value |= {
            "kps_pred": m.coordinates.pred,
            "kps_prec": points.precision,
            "zmax": points.z_max,
            "kps": [[number(v, points.shift) for v in point] for point in points.values],
        }
    if m.matrices is not None and parsed.matrices is not None:
        value |= {"matrix_pred": m.matrices.pred, "matrix_prec": parsed.matrices.precision}
        value["matrices"] = _matrices(parsed, typed=isinstance(m, GfvMessage))
    if not isinstance(m, GfvMessage):
        value["pupil_idx"] = m.pupils.present_idx if m.pupils else 0
        if parsed.pupils is not None:
            value["pupils"] = [number(v, parsed.pupils.shift) for v in parsed.pupils.values]
            value["pupil_prec"] = parsed.pupils.precision
    return value


def number(value: int, shift: int) -> float:
    """value / 2^shift."""
    return value / (1 << shift)


def _network(network: NeuralNetwork | None) -> dict[str, Any]:
    if network is None:
        return {}
    if network.mode == NN_PAYLOAD:
        return {"nn": {"mode": network.mode, "payload": network.payload.hex()}}
    return {"nn": {"mode": network.mode, "tag_uri": network.tag_uri, "uri": network.uri}}


def _chroma_key(key: ChromaKey, syntax: str) -> dict[str, Any]:
    lower, upper = DEFAULT_THRESHOLDS
    present = [int(threshold is not None) for threshold in (key.lower, key.upper)]
    value: dict[str, Any] = {"purpose": key.purpose} if syntax == AM0334 else {}
    return value | {
        "value": list(key.values),
        "thr": [lower if key.lower is None else key.lower, upper if key.upper is None else key.upper],
        "thr_present": present[0] if syntax == AM0334 else present,
    }


def _matrices(parsed: Parsed, *, typed: bool) -> list[Any]:
    matrices, found, start = parsed.matrices, [], 0
    for kind, count, rows, columns in matrices.geometry:
        group = []
        for _ in range(count):
            matrix = []
            for _ in range(rows):
                matrix.append([number(v, matrices.shift) for v in matrices.values[start : start + columns]])
                start += columns
            group.append(matrix)
        found += [{"type": kind, "elems": group}] if typed else group
    return found


def as_json(parsed: Parsed, position: str, payload_bytes: int) -> dict[str, Any]:
    """One entry of the `messages` list; position: "prefix" or "suffix"."""
    return {
        "position": position,
        "payload_bytes": payload_bytes,
        "syntax_elements": [[name, value] for name, value in parsed.elements],
        "value": describe(parsed),
    }

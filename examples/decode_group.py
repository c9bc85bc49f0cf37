"""Decode one group of a gfvc stream with ONNX Runtime alone: no gfvc, no PyTorch.

    gfvc export --format onnx --out graphs
    python examples/decode_group.py graphs group.npz pictures.npy

group.npz holds what a parser of the stream gives: `key`, the decoded key picture, uint8 [H, W, 3] RGB with H and W
multiples of 4; `key_parameters`, float32 [n]; and `parameters` of the pictures that follow, float32 [T, n], all of them
the stream's integers times the steps that its header states (SPEC.md). pictures.npy: uint8 [1 + T, H, W, 3].
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime


def load(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def decode_group(folder: Path, key: np.ndarray, key_parameters: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """The pictures of a group, uint8 [1 + T, H, W, 3]: what is shown for the key picture, and what is generated."""
    prepare, generate = load(folder / "prepare.onnx"), load(folder / "generate.onnx")
    # Once a group: what is shown for the key picture, and the state, whose names begin with `key_`.
    outputs = [output.name for output in prepare.get_outputs()]
    prepared = prepare.run(outputs, {"picture": key[None], "parameters": key_parameters[None]})
    shown, *state = prepared
    given = dict(zip(outputs[1:], state, strict=True))
    pictures = [shown[0]]
    # Each picture needs the state and its own parameters, and no other picture.
    for row in parameters:
        pictures.append(generate.run(None, given | {"parameters": row[None]})[0][0])
    return np.stack(pictures)


def main() -> None:
    folder, source, target = map(Path, sys.argv[1:4])
    group = np.load(source)
    pictures = decode_group(folder, group["key"], group["key_parameters"], group["parameters"])
    np.save(target, pictures)
    print(f"{len(pictures)} pictures of {pictures.shape[2]}x{pictures.shape[1]} in {target}")


if __name__ == "__main__":
    main()

"""The networks in ncnn, on the CPU."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import ncnn
import numpy as np

from ..errors import ModelError
from ..models.store import Weights
from .base import Backend
from .cache import dump_groups, graph_files, load_groups

State = list[ncnn.Mat]
# What `prepare` gives besides the picture that is shown.
_STATES = {1: 5, 2: 6, 3: 8, 4: 9, 5: 10, 6: 10}


def _groups(weights: Weights) -> dict[str, bytes]:
    from ..models.registry import build_model

    return {"groups.json": dump_groups(build_model(weights).groups)}


def _make(weights: Weights, graph: str, height: int, width: int) -> dict[str, bytes]:
    from ..models.registry import build_model
    from .ncnn_export import to_ncnn

    structure, data = to_ncnn(build_model(weights), graph, height, width)
    stem = f"{graph}-{width}x{height}"
    return {f"{stem}.param": structure, f"{stem}.bin": data}


class _Memory(threading.local):
    """What a thread's calls compute in, kept from call to call: getting it from the system anew, or sharing it between
    threads, costs a tenth to a quarter of the time."""

    def __init__(self) -> None:
        self.allocators = ncnn.UnlockedPoolAllocator(), ncnn.UnlockedPoolAllocator()


_memory = _Memory()


def load_net(structure: str, weights: str, threads: int) -> ncnn.Net:
    """A network that computes in 32 bits.

    Raises ModelError if the files cannot be read.
    """
    net = ncnn.Net()
    options = net.opt
    options.num_threads = threads
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
    options.use_bf16_storage = False
    if net.load_param(structure) or net.load_model(weights):
        raise ModelError(f"{structure}: cannot be read by ncnn {ncnn.__version__}; delete it, and it is made anew")
    return net


def run_net(net: ncnn.Net, inputs: Sequence[ncnn.Mat], reads: Sequence[Callable[[ncnn.Mat], Any]]) -> list[Any]:
    """`in0`, `in1`, ... -> `out0`, ..., each read by its function of ``reads``, which has to make a copy: the memory is
    used again. May be called from several threads.

    Raises ModelError if the network fails.
    """
    blobs, workspace = _memory.allocators
    with net.create_extractor() as extractor:
        extractor.set_blob_allocator(blobs)
        extractor.set_workspace_allocator(workspace)
        for index, value in enumerate(inputs):
            extractor.input(f"in{index}", value)
        found = [extractor.extract(f"out{index}") for index in range(len(reads))]
        if any(code for code, _ in found):
            raise ModelError("backend ncnn: the network failed; try --backend torch")
        return [read(value) for read, (_, value) in zip(reads, found, strict=True)]


class NcnnBackend(Backend):
    """ncnn: a graph for each picture size, made when that size is first met and then kept."""

    name = "ncnn"

    def __init__(self, weights: Weights, threads: int = 1) -> None:
        """Raises ModelError if the weights do not fit their networks."""
        (groups,) = graph_files(weights, ("groups.json",), lambda: _groups(weights))
        super().__init__(weights, load_groups(groups), workers=max(1, (os.cpu_count() or 1) // threads))
        self._threads = threads
        self._nets: dict[tuple[str, int, int], ncnn.Net] = {}
        self._lock = threading.Lock()

    def _net(self, graph: str, height: int, width: int) -> ncnn.Net:
        with self._lock:
            if (graph, height, width) not in self._nets:
                stem = f"{graph}-{width}x{height}"
                paths = graph_files(
                    self.weights,
                    (f"{stem}.param", f"{stem}.bin"),
                    lambda: _make(self.weights, graph, height, width),
                )
                self._nets[graph, height, width] = load_net(*map(str, paths), self._threads)
            return self._nets[graph, height, width]

    def _analyse(self, rgb: np.ndarray) -> np.ndarray:
        (found,) = run_net(self._net("analyse", *rgb.shape[:2]), [_picture(rgb)], [_values])
        return found

    def _prepare(self, rgb: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, tuple[ncnn.Net, State]]:
        height, width = rgb.shape[:2]
        states = _STATES[self.weights.generation]
        reads = [_bytes, *[ncnn.Mat.clone] * (states - 1), _points]
        shown, *state = run_net(self._net("prepare", height, width), [_picture(rgb), _vector(parameters)], reads)
        return shown, (self._net("generate", height, width), state)

    def _part(self, state: tuple[ncnn.Net, State], index: int) -> np.ndarray:
        return np.array(state[1][index])

    def _generate(self, state: tuple[ncnn.Net, State], parameters: np.ndarray) -> np.ndarray:
        net, key = state
        return run_net(net, [*key, _vector(parameters)], [_bytes])[0]


def _picture(rgb: np.ndarray) -> ncnn.Mat:
    return ncnn.Mat.from_pixels(rgb, ncnn.Mat.PixelType.PIXEL_RGB, rgb.shape[1], rgb.shape[0])


def _vector(values: np.ndarray) -> ncnn.Mat:
    return ncnn.Mat(np.ascontiguousarray(values[None]), batch_index=0).clone()


def _bytes(picture: ncnn.Mat) -> np.ndarray:
    return np.array(picture, copy=False).astype(np.uint8)


def _values(found: ncnn.Mat) -> np.ndarray:
    return np.array(found).reshape(-1)


def _points(found: ncnn.Mat) -> ncnn.Mat:
    """The points come out with the batch that ncnn does not have."""
    points = np.array(found)
    return ncnn.Mat(points.reshape(1, -1, points.shape[-1]), batch_index=0).clone()

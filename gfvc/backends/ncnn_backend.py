"""The networks in ncnn, on the CPU."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

import ncnn
import numpy as np

from ..errors import ModelError
from ..models.store import Weights
from .base import Backend
from .cache import dump_groups, graph_files, load_groups

State = list[ncnn.Mat]
# What `prepare` gives besides the picture that is shown.
_STATES = {1: 5, 2: 6}


def _groups(weights: Weights) -> dict[str, bytes]:
    from ..models.registry import build_model

    return {"groups.json": dump_groups(build_model(weights).groups)}


def _make(weights: Weights, graph: str, height: int, width: int) -> dict[str, bytes]:
    from ..models.registry import build_model
    from .ncnn_export import to_ncnn

    structure, data = to_ncnn(build_model(weights), graph, height, width)
    stem = f"{graph}-{width}x{height}"
    return {f"{stem}.param": structure, f"{stem}.bin": data}


def load_net(structure: str, weights: str, threads: int) -> tuple[ncnn.Net, object]:
    """A network that computes in 32 bits; the second value has to live as long as it does.

    Raises ModelError if the files cannot be read.
    """
    net = ncnn.Net()
    # Memory is kept from call to call: getting it from the system anew costs a tenth of the time.
    allocators = ncnn.PoolAllocator(), ncnn.PoolAllocator()
    options = net.opt
    options.num_threads = threads
    options.blob_allocator, options.workspace_allocator = allocators
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
    options.use_bf16_storage = False
    if net.load_param(structure) or net.load_model(weights):
        raise ModelError(f"{structure}: cannot be read by ncnn {ncnn.__version__}; delete it, and it is made anew")
    return net, allocators


class NcnnBackend(Backend):
    """ncnn: a graph for each picture size, made when that size is first met and then kept."""

    name = "ncnn"

    def __init__(self, weights: Weights, threads: int = 1) -> None:
        """Raises ModelError if the weights do not fit their networks."""
        (groups,) = graph_files(weights, ("groups.json",), lambda: _groups(weights))
        super().__init__(weights, load_groups(groups), workers=max(1, (os.cpu_count() or 1) // threads))
        self._threads = threads
        self._nets: dict[tuple[str, int, int], tuple[ncnn.Net, object]] = {}
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
            return self._nets[graph, height, width][0]

    def _run(self, graph: str, rgb_shape: Sequence[int], inputs: Sequence[ncnn.Mat], outputs: int) -> list[ncnn.Mat]:
        with self._net(graph, *rgb_shape[:2]).create_extractor() as extractor:
            for index, value in enumerate(inputs):
                extractor.input(f"in{index}", value)
            found = [extractor.extract(f"out{index}") for index in range(outputs)]
            if any(code for code, _ in found):
                raise ModelError(f"backend ncnn: {graph} failed; try --backend torch")
            return [value.clone() for _, value in found]

    def _analyse(self, rgb: np.ndarray) -> np.ndarray:
        (found,) = self._run("analyse", rgb.shape, [_picture(rgb)], 1)
        return np.array(found).reshape(-1)

    def _prepare(self, rgb: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, tuple[tuple[int, ...], State]]:
        inputs = [_picture(rgb), _vector(parameters)]
        shown, *state = self._run("prepare", rgb.shape, inputs, 1 + _STATES[self.weights.generation])
        # The points come out with the batch that ncnn does not have.
        points = np.array(state[-1])
        state[-1] = ncnn.Mat(points.reshape(1, -1, points.shape[-1]), batch_index=0).clone()
        return _bytes(shown), (rgb.shape, state)

    def _generate(self, state: tuple[tuple[int, ...], State], parameters: np.ndarray) -> np.ndarray:
        shape, key = state
        return _bytes(self._run("generate", shape, [*key, _vector(parameters)], 1)[0])


def _picture(rgb: np.ndarray) -> ncnn.Mat:
    return ncnn.Mat.from_pixels(rgb, ncnn.Mat.PixelType.PIXEL_RGB, rgb.shape[1], rgb.shape[0])


def _vector(values: np.ndarray) -> ncnn.Mat:
    return ncnn.Mat(np.ascontiguousarray(values[None]), batch_index=0).clone()


def _bytes(picture: ncnn.Mat) -> np.ndarray:
    return np.array(picture, copy=False).astype(np.uint8)

"""ONNX graphs in an engine: ONNX Runtime or OpenVINO."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..models.store import Weights
from .base import Backend
from .cache import dump_groups, graph_files, load_groups

GRAPHS = ("analyse", "prepare", "generate")
State = list[np.ndarray]


def _make(weights: Weights) -> dict[str, bytes]:
    from ..models.registry import build_model
    from .graphs import graphs
    from .onnx_export import to_onnx

    model = build_model(weights)
    return {f"{graph.name}.onnx": to_onnx(graph) for graph in graphs(model)} | {
        "groups.json": dump_groups(model.groups)
    }


class OnnxBackend(Backend):
    """What the engines share: one graph for all sizes, loaded when first used, and as many calls at once as there are
    cores, of ``threads`` threads each."""

    def __init__(self, weights: Weights, threads: int = 1) -> None:
        """Raises ModelError if the weights do not fit their networks."""
        names = (*(f"{name}.onnx" for name in GRAPHS), "groups.json")
        *paths, groups = graph_files(weights, names, lambda: _make(weights))
        super().__init__(weights, load_groups(groups), workers=max(1, (os.cpu_count() or 1) // threads))
        self._paths = dict(zip(GRAPHS, paths, strict=True))
        self._threads = threads
        self._sessions: dict[object, object] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def _run(self, graph: str, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs of a graph, in order."""

    def _analyse(self, rgb: np.ndarray) -> np.ndarray:
        return self._run("analyse", [rgb[None]])[0][0]

    def _prepare(self, rgb: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, State]:
        shown, *state = self._run("prepare", [rgb[None], parameters[None]])
        return shown[0], state

    def _part(self, state: State, index: int) -> np.ndarray:
        return state[index]

    def _generate(self, state: State, parameters: np.ndarray) -> np.ndarray:
        return self._run("generate", [*state, parameters[None]])[0][0]


class OnnxRuntimeBackend(OnnxBackend):
    """ONNX Runtime on the CPU."""

    name = "onnxruntime"

    def _run(self, graph: str, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        import onnxruntime

        with self._lock:
            if graph not in self._sessions:
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
                options.log_severity_level = 3
                session = onnxruntime.InferenceSession(
                    str(self._paths[graph]), options, providers=["CPUExecutionProvider"]
                )
                self._sessions[graph] = session, [entry.name for entry in session.get_inputs()]
            session, names = self._sessions[graph]
        return session.run(None, dict(zip(names, inputs, strict=True)))


class OpenVinoBackend(OnnxBackend):
    """OpenVINO on the CPU: compiled for each picture size, which is faster than one graph for all of them."""

    name = "openvino"

    def __init__(self, weights: Weights, threads: int = 1) -> None:
        super().__init__(weights, threads)
        self._requests = threading.local()

    def _compiled(self, graph: str, inputs: Sequence[np.ndarray]) -> object:
        import openvino

        shapes = tuple(array.shape for array in inputs)
        with self._lock:
            if (graph, shapes) not in self._sessions:
                core = openvino.Core()
                model = core.read_model(str(self._paths[graph]))
                model.reshape({port: list(shape) for port, shape in zip(model.inputs, shapes, strict=True)})
                settings = {
                    "INFERENCE_NUM_THREADS": self._threads * self.workers,
                    "NUM_STREAMS": self.workers,
                    "INFERENCE_PRECISION_HINT": "f32",
                    "CACHE_DIR": str(Path(self._paths[graph]).parent / "openvino"),
                }
                self._sessions[graph, shapes] = core.compile_model(model, "CPU", settings)
            return self._sessions[graph, shapes]

    def _run(self, graph: str, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        compiled = self._compiled(graph, inputs)
        # A request holds the memory of one call at a time: each thread has its own.
        requests = self._requests.__dict__
        request = requests.get(id(compiled)) or requests.setdefault(id(compiled), compiled.create_infer_request())
        found = request.infer(list(inputs), share_inputs=True, share_outputs=True)
        return [found[index].copy() for index in range(len(found))]

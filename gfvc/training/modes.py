"""The modes of the head's motion (`gfvc.models.modes`), from many clips.

For pairs of a key picture and a driving one, registration finds how each node would have to move besides what the key
points move, and how much each such motion matters for the picture. A few fields are then looked for that explain as
much of that as so few can: a low-rank factorisation whose errors weigh as they do in the pictures, by alternating least
squares (after Srebro and Jaakkola, Weighted low-rank approximations, ICML 2003).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor

from datasets.clips import FrameCache, build_frame_cache

from ..backends.base import Backend
from ..backends.choice import open_backend
from ..errors import GfvcError
from ..models.families import FAMILIES
from ..models.groups import MODE_COUNT
from ..models.mode_map import ModeMap
from ..models.mode_shape import NODES
from ..models.store import find_weights
from ..pipeline import overlap
from .degrade import build_degraded
from .initial import load_matching
from .loop import TrainingFiles, TrainingOptions
from .pairing import Pairing

log = logging.getLogger(__name__)
# All but the modes is as it was in this one.
_LEAST_GENERATION = 5
# Driving pictures of each key picture: more of one clip say little new.
_DRIVES = 3
# Of the fields: square error of luma, 0..1, that bending and size cost.
_BENDING, _STRETCHING, _SIZE = 2e-5, 6e-6, 2e-6
_ROUNDS, _ITERATIONS = 12, 40
# Of a coefficient, when those of a pair are found.
_RIDGE = 1e-5
# Mean square error of luma, 0..1, that a value of 1 of a mode makes in a picture on average: one step of all modes
# costs the same.
UNIT_ERROR = 4e-5
# Explained square error above which a pair weighs no more than others.
_USUAL = 1e-4


class Residuals(NamedTuple):
    """fields: what the key points leave over, float32 [N, K], displacements at the K / 2 inner nodes; metrics:
    [N, K, K], e' metric e is the square error that an error e of them adds, and a little more, the floor that
    registration gives to what nothing says anything of."""

    fields: np.ndarray
    metrics: np.ndarray


def _inner_nodes() -> np.ndarray:
    """Each displacement of each inner node as a mode of its own: [K, 2, 13, 13]."""
    inner = NODES - 2
    basis = np.zeros((2, inner, inner, 2, NODES, NODES), np.float32)
    rows, columns = np.indices((inner, inner))
    for axis in (0, 1):
        basis[axis, rows, columns, axis, rows + 1, columns + 1] = 1
    return basis.reshape(-1, 2, NODES, NODES)


def _stiffness() -> np.ndarray:
    """What bending, stretching and size of a field cost: [K, K]."""
    inner = NODES - 2
    # Second differences, with nothing beyond the border.
    line = 2 * np.eye(inner) - np.eye(inner, k=1) - np.eye(inner, k=-1)
    laplace = np.kron(line, np.eye(inner)) + np.kron(np.eye(inner), line)
    one = _BENDING * laplace @ laplace + _STRETCHING * laplace + _SIZE * np.eye(inner**2)
    return np.kron(np.eye(2), one).astype(np.float32)


class _Finder(Pairing):
    """Finds what the key points leave over in some pairs of a key picture: fields and metrics of `Residuals`."""

    def __init__(self, frames: FrameCache, degraded: np.ndarray, backend: Backend, seed: int) -> None:
        super().__init__(frames, degraded, backend, seed)
        self.modes, self.mode_hold = ModeMap(_inner_nodes()), _stiffness()

    def drawn(self, index: int) -> np.ndarray:
        """Rows of the driving pictures that are looked at."""
        rows = self.drives[index]
        return rows[:: max(1, len(rows) // _DRIVES)][:_DRIVES]

    def pairs(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        key, parameters, _ = self.key(index)
        registration = self.registration(key, parameters)
        count = self.points.count
        found = []
        for row in self.drawn(index):
            rgb = np.asarray(self.frames.frames[row])
            start = np.concatenate((self.backend.analyse(rgb)[:count], np.zeros(self.modes.count, np.float32)))
            fit = registration.fit(rgb, start)
            metric = fit.metric[count:, count:] - self.mode_hold
            # What the points could have moved as well is not the modes' task.
            both = fit.metric[:count, count:]
            metric -= both.T @ np.linalg.solve(fit.metric[:count, :count], both)
            found.append((fit.parameters[count:], metric.astype(np.float32)))
        fields, metrics = zip(*found, strict=True)
        return np.stack(fields), np.stack(metrics)


def find_residuals(
    frames: FrameCache,
    degraded: np.ndarray,
    backend: Backend,
    seed: int,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Residuals:
    """Of some pairs of each key picture of a cache of frames. A quarter of a megabyte for each pair."""
    finder = _Finder(frames, degraded, backend, seed)
    fields: list[np.ndarray] = []
    metrics: list[np.ndarray] = []

    def use(found: tuple[np.ndarray, np.ndarray]) -> None:
        fields.append(found[0])
        metrics.append(found[1])

    overlap(progress(finder.keys), finder, use, backend.workers)
    return Residuals(np.concatenate(fields), np.concatenate(metrics))


def _weighted(metrics: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """Each field times its metric: [N, K]."""
    return np.matmul(metrics, fields[..., None])[..., 0]


class Factorisation:
    """Looks for the modes [M, K] of residuals."""

    def __init__(self, residuals: Residuals) -> None:
        self._metrics = residuals.metrics
        self._pulled = _weighted(residuals.metrics, residuals.fields)
        self._fields = residuals.fields
        # What there is to be explained.
        self._energy = np.einsum("nk,nk->n", residuals.fields, self._pulled)
        # Heads that turn far would have all modes to themselves.
        self._weights = 1 / (self._energy + _USUAL)
        self._weights /= self._weights.mean()
        self._stiffness = _stiffness()

    def coefficients(self, modes: np.ndarray) -> tuple[np.ndarray, float]:
        """How much there is of each mode in each pair, [N, M], and the share of the square error that they explain."""
        seen = np.matmul(self._metrics, modes.T)
        gram = np.matmul(modes, seen)
        right = self._pulled @ modes.T
        ridge = _RIDGE * np.eye(len(modes), dtype=np.float32)
        found = np.linalg.solve(gram + ridge, right[..., None])[..., 0]
        explained = 2 * (found * right).sum(1) - np.einsum("nm,nmo,no->n", found, gram, found)
        return found, float(self._weights @ explained / (self._weights @ self._energy))

    def modes(self, count: int, report: Callable[[int, float], None] = lambda done, explained: None) -> np.ndarray:
        """``count`` modes, each with `UNIT_ERROR`, uncorrelated in what they change, the largest first."""
        scaled = self._fields * np.sqrt(self._weights)[:, None]
        modes = np.linalg.svd(scaled, full_matrices=False)[2][:count]
        for done in range(1, _ROUNDS + 1):
            found, explained = self.coefficients(modes)
            report(done, explained)
            modes = self._best_modes(found / np.maximum(found.std(0), 1e-9))
            modes /= np.linalg.norm(modes, axis=1, keepdims=True)
        return self._principal(modes)

    def _best_modes(self, found: np.ndarray) -> np.ndarray:
        """The modes that leave least over, for given coefficients, by conjugate gradients."""
        shares = self._weights[:, None] * found

        wanted = shares.T @ self._pulled

        def normal(flat: np.ndarray) -> np.ndarray:
            modes = flat.reshape(wanted.shape)
            moved = shares.T @ _weighted(self._metrics, found @ modes)
            return (moved + len(found) * modes @ self._stiffness).reshape(-1)

        equations = LinearOperator((wanted.size, wanted.size), normal, dtype=wanted.dtype)
        # Few iterations: the coefficients are not the last ones either.
        return cg(equations, wanted.reshape(-1), rtol=0.0, maxiter=_ITERATIONS)[0].reshape(wanted.shape)

    def _principal(self, modes: np.ndarray) -> np.ndarray:
        """The same space, by modes that add to each other's errors nothing on average."""
        found, _ = self.coefficients(modes)
        spread = np.linalg.cholesky(np.cov(found.T, aweights=self._weights) + 1e-9 * np.eye(len(modes)))
        metric = np.tensordot(self._weights, self._metrics, 1) / len(found)
        # Coefficients of the new modes have the same spread, and their errors add up.
        white = spread.T @ modes
        energies, turn = np.linalg.eigh(white @ metric @ white.T)
        modes = (turn.T @ white)[::-1]
        return modes * np.sqrt(UNIT_ERROR / np.maximum(energies[::-1], 1e-12))[:, None]


def learn_modes(
    frames: FrameCache,
    degraded: np.ndarray,
    backend: Backend,
    seed: int,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> np.ndarray:
    """The basis of `MotionModes`, float32 [16, 2, 13, 13].

    Raises GfvcError if there are fewer pairs than modes.
    """
    residuals = find_residuals(frames, degraded, backend, seed, progress)
    if len(residuals.fields) <= MODE_COUNT:
        raise GfvcError(f"{len(residuals.fields)} pairs of pictures, more than {MODE_COUNT} expected: use more clips")
    log.info("%d pairs of pictures", len(residuals.fields))
    modes = Factorisation(residuals).modes(
        MODE_COUNT, lambda done, explained: log.info("round %d: %.3f of the error explained", done, explained)
    )
    inner = modes.reshape(MODE_COUNT, 2, NODES - 2, NODES - 2)
    return np.pad(inner, ((0, 0), (0, 0), (1, 1), (1, 1))).astype(np.float32)


def train_modes(
    options: TrainingOptions,
    files: TrainingFiles,
    device: str = "auto",
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> dict[str, Tensor]:
    """The stage `modes`: the weights of ``files.initial``, with modes found with them.

    device: `auto`, `cpu`, `cuda`, for the networks of ``files.initial``.

    Raises GfvcError or datasets.clips.ClipError for folders, options and weights that do not fit.
    """
    model = FAMILIES[options.family]()
    if not model.has_modes:
        raise GfvcError(f"--stage modes with --family {options.family}, which has none")
    if files.initial is None or not options.degrade:
        raise GfvcError("--stage modes needs --degrade and --init: it looks at what those leave over")
    initial = find_weights(options.family, files.initial)
    if initial.generation < _LEAST_GENERATION:
        raise GfvcError(
            f"{initial.path}: weights of generation {initial.generation}, {_LEAST_GENERATION} or later expected: all "
            "but the modes is taken over from them"
        )
    load_matching(model, files.initial)
    cache = files.cache or files.run / "cache"
    frames = build_frame_cache(files.clips, cache, options.size, options.frame_step)
    for path, reason in frames.skipped:
        log.warning("%s: skipped: %s", path, reason)
    degraded = build_degraded(frames, cache, options.seed)
    backend = open_backend(initial, device=device)
    basis = learn_modes(frames, degraded, backend, options.seed, progress)
    model.synthesis.modes.basis.data.copy_(torch.from_numpy(basis))
    return model.state_dict()

"""The training loop of `gfvc train`: seeded, resumable, logged, on CPU or GPU, one process or many (torchrun)."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from datasets.clips import FrameCache, Outlines, build_frame_cache, load_landmarks, load_outlines, write_array

from ..backends.choice import open_backend
from ..errors import GfvcError
from ..models.families import FAMILIES, FaceModel
from ..models.points import VERTICES
from ..models.store import find_weights
from ..video import write_png
from .code import PointBatch, PointSampler, analyse_frames
from .data import Batch, PairSampler, random_affine
from .degrade import build_degraded, fingerprint, restore_degraded
from .initial import load_matching, load_teacher, unpainted
from .losses import LossWeights
from .paint import DetailsStep
from .restoration import PieceBatch, PieceSampler
from .squares import SquareBatch, SquareSampler, build_squares
from .steps import (
    CodeStep,
    FullStep,
    LocalStep,
    PersonStep,
    PointsStep,
    RestoreStep,
    Step,
    StepResult,
    SynthesisStep,
)
from .validation import append_row, sample_sheet, validate, validation_pairs

log = logging.getLogger(__name__)
STAGES = ("full", "points", "local", "code", "restore", "person", "synthesis", "details", "modes")


@dataclass(frozen=True)
class TrainingOptions:
    """All that determines a run besides the data; saved whole in its checkpoints.

    stage: `full`, `points` (analysis alone, from labels and a teacher), `local` (its refinement of mouth and eyes
    alone, from labels), `code` (of family `compact`, between points and feature), `restore` (of decoded key pictures),
    `person` (what is the person in a key picture, and what is behind), `synthesis` (all those stay), `details` (the
    painting of mouth and eyes alone, over what ``initial`` makes) or `modes` (those of the motion; no steps are made:
    see `training.modes`);
    size: picture side, a multiple of 8; steps: optimiser steps; batch: pairs per process and step; learning_rate: peak,
    after ``warmup`` steps, then along a cosine to a twentieth; ema: decay of the weights' average; frame_step: keep
    each n-th picture of a clip; degrade: mix in decoded key pictures; texture, shares, adversarial, features, rate:
    weights of those losses; labelled: share of the pairs whose points are labels (`synthesis`); hold: parts of the
    synthesis that stay as they are; precision: `auto`, `fp32` or `bf16`.
    """

    family: str = "keypoints2d"
    stage: str = "full"
    size: int = 128
    steps: int = 20000
    batch: int = 8
    learning_rate: float = 4e-4
    warmup: int = 200
    ema: float = 0.998
    seed: int = 0
    frame_step: int = 2
    degrade: bool = False
    texture: float = LossWeights().texture
    shares: float = LossWeights().shares
    adversarial: float = LossWeights().adversarial
    features: float = LossWeights().features
    rate: float = LossWeights().rate
    labelled: float = 0.5
    hold: tuple[str, ...] = ()
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise GfvcError(f"--family {self.family!r}, one of {', '.join(FAMILIES)} expected")
        if self.stage not in STAGES:
            raise GfvcError(f"--stage {self.stage!r}, one of {', '.join(STAGES)} expected")
        if self.size % 8 or not 64 <= self.size <= 512:
            raise GfvcError(f"--size {self.size}, a multiple of 8 from 64 to 512 expected")


@dataclass(frozen=True)
class TrainingFiles:
    """What a run reads and writes.

    clips: folders of videos and stills; run: folder for checkpoint, logs and samples; labels: landmark files of the
    clips; validation: folder of held-out videos; cache: folder of decoded pictures; initial, teacher: weights to start
    from and to learn from; initial_synthesis: weights that the synthesis starts from instead.
    """

    clips: tuple[Path, ...]
    run: Path
    labels: Path | None = None
    validation: Path | None = None
    cache: Path | None = None
    initial: Path | None = None
    teacher: Path | None = None
    initial_synthesis: Path | None = None


AnyBatch = Batch | PointBatch | PieceBatch | dict[int, SquareBatch]


class Logged(NamedTuple):
    """What `fit` reports: the step and named figures."""

    step: int
    figures: dict[str, float]


class _Labels(NamedTuple):
    """Landmarks of the face, [N, 17, 2], and outlines of the person, of all pictures."""

    marks: np.ndarray | None = None
    outlines: Outlines | None = None


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on CUDA and on CPUs that compute in it, float32 elsewhere: there bfloat16 is emulated, and
    slow."""
    if precision != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    if device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.bfloat16
    return torch.float32


class Trainer:
    """One run: `checkpoint.pt`, `log.csv`, `validation.csv` and sample sheets in its folder."""

    def __init__(self, options: TrainingOptions, files: TrainingFiles, device: torch.device) -> None:
        """Raises GfvcError or datasets.clips.ClipError for folders, labels and weights that do not fit."""
        self.options, self.files, self.device = options, files, device
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.dtype = choose_precision(options.precision, device)
        files.run.mkdir(parents=True, exist_ok=True)
        cache = files.cache or files.run / "cache"
        frames, labels, degraded = self._load(cache)
        self.held_out = []
        if files.validation is not None:
            self.held_out = validation_pairs(build_frame_cache([files.validation], cache, options.size, 10))
            if not self.held_out:
                raise GfvcError(f"{files.validation}: no clip has more than ten pictures, which --validation needs")
        torch.manual_seed(options.seed)
        self.model: FaceModel = FAMILIES[options.family]().to(device)
        if files.initial is not None:
            load_matching(self.model, files.initial)
        if files.initial_synthesis is not None:
            load_matching(self.model, files.initial_synthesis, "synthesis.")
        self.module = self._step_module().to(device)
        self.sampler = self._sampler(frames, labels, degraded, cache)
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        groups = [{"params": trained}]
        if self.module.critic is not None:
            groups.append({"params": list(self.module.critic.parameters())})
        self.optimiser = torch.optim.Adam(groups, lr=options.learning_rate, betas=(0.9, 0.99))
        self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.step = 0
        self.parallel: torch.nn.Module = self.module
        if self.world > 1:
            if not torch.distributed.is_initialized():
                torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
            self.parallel = DistributedDataParallel(self.module, find_unused_parameters=True)

    def _load(self, cache: Path) -> tuple[FrameCache, _Labels, np.ndarray | None]:
        options, files = self.options, self.files
        frames = build_frame_cache(files.clips, cache, options.size, options.frame_step)
        for path, reason in frames.skipped:
            log.warning("%s: skipped: %s", path, reason)
        labels = _Labels()
        if files.labels is not None:
            labels = _Labels(load_landmarks(frames, files.labels, VERTICES), load_outlines(frames, files.labels, cache))
        degraded = build_degraded(frames, cache, options.seed) if options.degrade else None
        log.info("%d clips, %d pictures of %dx%d", len(frames.clips), len(frames.frames), options.size, options.size)
        return frames, labels, degraded

    def _sampler(
        self, frames: FrameCache, labels: _Labels, degraded: np.ndarray | None, cache: Path
    ) -> PairSampler | PointSampler | PieceSampler | SquareSampler:
        """What the stage draws its batches from."""
        stage = self.options.stage
        if stage == "code":
            return PointSampler(frames, self._points(frames), self.device)
        if stage == "restore":
            if degraded is None:
                raise GfvcError("--stage restore needs --degrade: it learns from decoded key pictures")
            return PieceSampler(frames, degraded, self.device)
        if stage == "details":
            if degraded is None or self.files.initial is None:
                raise GfvcError("--stage details needs --degrade and --init: it paints over what those make of them")
            backend = open_backend(unpainted(find_weights(self.options.family, self.files.initial), cache))
            return SquareSampler(build_squares(frames, degraded, backend, cache, self.options.seed), self.device)
        if degraded is not None and stage in ("person", "synthesis"):
            degraded = restore_degraded(degraded, self.model.synthesis.restore, cache, self.device)
        return PairSampler(frames, labels.marks, degraded, outlines=labels.outlines, device=self.device)

    def _points(self, frames: FrameCache) -> Tensor:
        """The points of all pictures, kept in the run's folder: finding them takes far longer than the steps."""
        parts = "analysis.", "synthesis.person.", "synthesis.modes."
        weights = {name: value for name, value in self.model.state_dict().items() if name.startswith(parts)}
        finding = fingerprint({name: value for name, value in weights.items() if ".encoder." not in name})
        path = self.files.run / f"points-{len(frames.frames)}-{finding}.npy"
        if not path.exists():
            log.info("finding the key points of %d pictures", len(frames.frames))
            write_array(analyse_frames(self.model, frames, self.device).numpy(), path)
        return torch.from_numpy(np.load(path, allow_pickle=False))

    def _step_module(self) -> Step:
        """What the stage trains; the rest of the model stays as it is."""
        model, stage, options = self.model, self.options.stage, self.options
        if stage == "modes":
            raise GfvcError("--stage modes makes no steps: see gfvc.training.modes.train_modes")
        use = LossWeights(options.texture, options.shares, options.adversarial, options.features, options.rate)
        if stage == "full":
            model.synthesis.restore.requires_grad_(False)
            return FullStep(model, use)
        model.requires_grad_(False)
        if stage == "restore":
            model.synthesis.restore.requires_grad_(True)
            return RestoreStep(model, use)
        if stage == "person":
            if self.files.labels is None:
                raise GfvcError("--stage person needs --labels, with the outlines of the persons")
            model.synthesis.person.requires_grad_(True)
            return PersonStep(model, use)
        if stage == "synthesis":
            model.synthesis.requires_grad_(True)
            for part in ("restore", "person", "details", *(["modes"] if model.has_modes else []), *options.hold):
                self._hold(part)
            return SynthesisStep(model, use, options.labelled)
        if stage == "details":
            model.synthesis.details.requires_grad_(True)
            if model.has_looks:
                if self.files.initial is not None and find_weights(model.family, self.files.initial).generation < 5:
                    model.analysis.looks.begin(model.analysis.local)
                model.analysis.looks.requires_grad_(True)
            return DetailsStep(model, use)
        if stage == "code":
            self._require_family("compact")
            model.analysis.encoder.requires_grad_(True)
            model.decoder.requires_grad_(True)
            return CodeStep(model, use)
        self._require_family("keypoints2d")
        if stage == "local":
            if self.files.labels is None:
                raise GfvcError("--stage local needs --labels, the landmarks of the clips")
            model.analysis.local.requires_grad_(True)
            return LocalStep(model)
        if self.files.teacher is None:
            raise GfvcError("--stage points needs --teacher, the weights to learn the points of")
        model.analysis.requires_grad_(True)
        return PointsStep(model, load_teacher(self.files.teacher).to(self.device))

    def _hold(self, part: str) -> None:
        """Leave a part of the synthesis as it is."""
        parts = dict(self.model.synthesis.named_children())
        if part not in parts:
            raise GfvcError(f"--hold {part}, one of {', '.join(parts)} expected")
        parts[part].requires_grad_(False)

    def _require_family(self, family: str) -> None:
        if self.options.family != family:
            raise GfvcError(f"--stage {self.options.stage} with --family {self.options.family}, {family} expected")

    @property
    def checkpoint(self) -> Path:
        return self.files.run / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint beside the old one, then replace that."""
        state = {
            "options": asdict(self.options),
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "critic": None if self.module.critic is None else self.module.critic.state_dict(),
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)

    def resume(self) -> bool:
        """Continue from the run's checkpoint if it has one.

        Raises GfvcError where its options differ from ours.
        """
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        theirs, ours = state["options"], asdict(self.options)
        for name in sorted(set(ours) - {"precision", "steps"}):
            if ours[name] != theirs.get(name):
                raise GfvcError(
                    f"{self.checkpoint}: was trained with {name}={theirs.get(name)}, now {name}={ours[name]}; "
                    "use another --run folder"
                )
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        if self.module.critic is not None:
            self.module.critic.load_state_dict(state["critic"])
        return True

    def learning_rate(self) -> float:
        """Of the step to come."""
        options = self.options
        if self.step < options.warmup:
            return options.learning_rate * (self.step + 1) / options.warmup
        done = (self.step - options.warmup) / max(1, options.steps - options.warmup)
        return options.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    def train_step(self) -> tuple[StepResult, AnyBatch]:
        """One optimiser step.

        A step whose gradient is not finite changes nothing.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        # Seeds depend on seed, step and process alone: a resumed run goes on exactly, in every process.
        seed = (self.options.seed * 1_000_003 + self.step) * 4096 + self.rank
        self.sampler.generator.manual_seed(seed)
        torch.manual_seed(seed)
        batch = self.sampler.draw(self.options.batch)
        self.module.progress = self.step / self.options.steps
        affine = random_affine(self.options.batch, self.sampler.generator, 1.0).to(self.device)
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            result: StepResult = self.parallel(batch, affine)
        self.optimiser.zero_grad(set_to_none=True)
        result.total.backward()
        norms = [torch.nn.utils.clip_grad_norm_(group["params"], 1.0) for group in self.optimiser.param_groups]
        if torch.isfinite(torch.stack(norms)).all():
            self.optimiser.step()
        self.step += 1
        decay = min(self.options.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.model.state_dict().values()), 1 - decay)
        return result, batch

    def averaged_model(self) -> FaceModel:
        """A copy with the averaged weights."""
        model = FAMILIES[self.options.family]().to(self.device).eval()
        model.load_state_dict(self.average)
        return model

    def fit(
        self, *, log_every: int = 100, save_every: int = 500, report: Callable[[Logged], None] = lambda logged: None
    ) -> dict[str, Tensor]:
        """Train to ``options.steps``; returns the averaged weights.

        ``report`` is called with what is logged.
        """
        started, since, sums, count = time.monotonic(), self.step, {}, 0
        while self.step < self.options.steps:
            result, batch = self.train_step()
            count += 1
            for name, value in result.parts.items():
                sums[name] = sums.get(name, 0.0) + value.item()
            last = self.step == self.options.steps
            if self.rank:
                continue
            if self.step % log_every == 0 or last:
                done = (self.step - since) * self.options.batch * 2 * self.world
                row = {name: total / count for name, total in sums.items()}
                row |= {"learning_rate": self.learning_rate(), "pictures_per_s": done / (time.monotonic() - started)}
                sums, count = {}, 0
                append_row(self.files.run / "log.csv", {"step": self.step, **row})
                report(Logged(self.step, row))
            if self.step % save_every == 0 or last:
                self._checkpoint(batch, result, report)
        return self.average

    def _checkpoint(self, batch: AnyBatch, result: StepResult, report: Callable[[Logged], None]) -> None:
        self.save()
        if self.held_out:
            coarse = self.options.stage in ("full", "points")
            scores = validate(self.averaged_model(), self.held_out, self.device, coarse=coarse)
            append_row(self.files.run / "validation.csv", {"step": self.step, **scores})
            report(Logged(self.step, scores))
        if isinstance(batch, PointBatch):
            return
        if isinstance(batch, dict):
            shown = [batch[0].key, batch[0].now, batch[0].driving]
        else:
            shown = [batch.key, batch.driving]
        sheet = sample_sheet([*shown, result.generated[: len(shown[0])]])
        write_png(self.files.run / f"sample-{self.step:06d}.png", sheet)

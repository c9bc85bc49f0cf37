"""The training loop of `gfvc train`: seeded, resumable, logged, on CPU or GPU, one process or many (torchrun)."""

from __future__ import annotations

import csv
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from datasets.clips import FrameCache, build_frame_cache, load_landmarks

from ..models.families import FAMILIES, FaceModel
from ..models.points import VERTICES
from ..video import write_png
from .data import PairSampler
from .degrade import build_degraded
from .losses import TrainingStep, equivariance_transform

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingOptions:
    """All that determines a run besides the data; saved whole in its checkpoints.

    size: picture side, a multiple of 8; steps: optimiser steps; batch: pairs per process and step; learning_rate: peak,
    after ``warmup`` steps, then along a cosine to a twentieth; frame_step: keep each n-th picture of a clip; freeze:
    train only the parameters whose names do not start with one of these prefixes; degrade: mix in decoded key pictures.
    """

    family: str = "keypoints2d"
    size: int = 128
    steps: int = 20000
    batch: int = 8
    learning_rate: float = 4e-4
    warmup: int = 200
    ema: float = 0.998
    seed: int = 0
    frame_step: int = 2
    degrade: bool = False
    precision: str = "auto"
    freeze: tuple[str, ...] = ()


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on CUDA and on CPUs that compute in it, float32 elsewhere (where bfloat16 is emulated, and
    slow).
    """
    if precision != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    if device.type == "cuda":
        return torch.bfloat16
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


class Trainer:
    """One run in a folder: `checkpoint.pt`, `log.csv`, sample sheets, and the averaged weights it returns."""

    def __init__(
        self,
        options: TrainingOptions,
        clips: Path,
        run: Path,
        *,
        labels: Path | None = None,
        validation: Path | None = None,
        cache: Path | None = None,
        initial: Path | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.options, self.run = options, run
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = (
            device or torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            if torch.cuda.is_available()
            else torch.device("cpu")
        )
        self.dtype = choose_precision(options.precision, self.device)
        run.mkdir(parents=True, exist_ok=True)
        frames, marks, degraded = self._load(clips, labels, cache or run / "cache")
        self.sampler = PairSampler(frames, marks, self.device, options.seed * 1000 + self.rank, degraded)
        self.validation = None
        if validation is not None:
            held = build_frame_cache(validation, cache or run / "cache", options.size, 10)
            self.validation = validation_pairs(held)
        torch.manual_seed(options.seed)
        self.step_module = TrainingStep(FAMILIES[options.family]()).to(self.device)
        self.model: FaceModel = self.step_module.model
        if initial is not None:
            load_matching(self.model, initial)
        for name, parameter in self.model.named_parameters():
            if name.startswith(options.freeze) and options.freeze:
                parameter.requires_grad_(False)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(trained, lr=options.learning_rate, betas=(0.9, 0.99))
        self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.step = 0
        self.parallel: torch.nn.Module = self.step_module
        if self.world > 1:
            if not torch.distributed.is_initialized():
                torch.distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
            self.parallel = DistributedDataParallel(self.step_module, find_unused_parameters=True)

    def _load(
        self, clips: Path, labels: Path | None, cache: Path
    ) -> tuple[FrameCache, np.ndarray | None, np.ndarray | None]:
        frames = build_frame_cache(clips, cache, self.options.size, self.options.frame_step)
        for path, reason in frames.skipped:
            log.warning("%s: skipped: %s", path, reason)
        marks = load_landmarks(frames, labels, VERTICES) if labels is not None else None
        degraded = build_degraded(frames, cache, self.options.seed) if self.options.degrade else None
        log.info(
            "%d clips, %d pictures of %dx%d",
            len(frames.clips),
            len(frames.frames),
            self.options.size,
            self.options.size,
        )
        return frames, marks, degraded

    @property
    def checkpoint(self) -> Path:
        return self.run / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint beside the old one, then replace that."""
        if self.rank:
            return
        state = {
            "options": asdict(self.options),
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "sampler": self.sampler.generator.get_state(),
            "torch_rng": torch.get_rng_state(),
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)

    def resume(self) -> bool:
        """Continue from the run's checkpoint if it has one. Raises ValueError where its options differ from ours."""
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        theirs, ours = dict(state["options"]), asdict(self.options)
        for changeable in ("precision", "steps"):
            theirs.pop(changeable), ours.pop(changeable)
        differing = sorted(key for key in ours if tuple_free(ours[key]) != tuple_free(theirs.get(key)))
        if differing:
            key = differing[0]
            raise ValueError(
                f"{self.checkpoint}: was trained with {key}={theirs.get(key)}, now {key}={ours[key]}; "
                "use another --run folder"
            )
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.sampler.generator.set_state(state["sampler"].cpu())
        torch.set_rng_state(state["torch_rng"].cpu())
        return True

    def learning_rate(self) -> float:
        o = self.options
        if self.step < o.warmup:
            return o.learning_rate * (self.step + 1) / o.warmup
        done = (self.step - o.warmup) / max(1, o.steps - o.warmup)
        return o.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    def train_step(self) -> tuple[dict[str, float], Tensor, Tensor, Tensor]:
        """One optimiser step: losses, and key, driving and generated pictures."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        batch = self.sampler.draw(self.options.batch)
        affine = equivariance_transform(self.options.batch, self.sampler.generator, self.device)
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            total, losses, generated = self.parallel(batch, affine)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.step += 1
        decay = min(self.options.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.model.state_dict().values()), 1 - decay)
        return (
            {name: value.item() for name, value in losses.items()},
            batch.key,
            batch.driving,
            generated[: len(batch.key)],
        )

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """PSNR of generated and of repeated key pictures over held-out pairs, with the averaged weights."""
        if self.validation is None:
            return {}
        model = FAMILIES[self.options.family]().to(self.device).eval()
        model.load_state_dict(self.average)
        scores: dict[str, list[float]] = {"psnr": [], "psnr_freeze": []}
        for key, driving in self.validation:
            key, driving = key.to(self.device), driving.to(self.device)
            state = model.prepare(key, model.analyse(key))
            generated = model.generate(state, model.analyse(driving))
            for name, picture in (("psnr", generated), ("psnr_freeze", key)):
                error = ((picture - driving) ** 2).mean((1, 2, 3)).clamp(min=1e-8)
                scores[name] += (-10 * torch.log10(error)).tolist()
        return {name: float(np.mean(values)) for name, values in scores.items()}

    def fit(
        self,
        *,
        log_every: int = 100,
        save_every: int = 500,
        report: Callable[[int, dict[str, float]], None] = lambda step, row: None,
    ) -> dict[str, Tensor]:
        """Train to ``options.steps``; returns the averaged weights. ``report`` is called at each logged step."""
        started, since, sums = time.monotonic(), self.step, {}
        while self.step < self.options.steps:
            losses, key, driving, generated = self.train_step()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
            last = self.step == self.options.steps
            if self.step % log_every == 0 or last:
                count = (self.step - 1) % log_every + 1
                row = {
                    "step": self.step,
                    **{k: v / count for k, v in sums.items()},
                    "learning_rate": self.learning_rate(),
                    "samples_per_s": (self.step - since)
                    * self.options.batch
                    * 2
                    * self.world
                    / (time.monotonic() - started),
                }
                sums = {}
                if self.rank == 0:
                    report(self.step, row)
                    append_row(self.run / "log.csv", row)
            if (self.step % save_every == 0 or last) and self.rank == 0:
                self.save()
                scores = self.validate()
                if scores:
                    append_row(self.run / "validation.csv", {"step": self.step, **scores})
                    report(self.step, scores)
                sheet = torch.cat([torch.cat(list(p[:6]), dim=2) for p in (key, driving, generated)], dim=1)
                write_png(self.run / f"sample-{self.step:06d}.png", to_uint8(sheet))
        return self.average


def tuple_free(value: object) -> object:
    """Lists and tuples compare equal: checkpoints come back with either."""
    return list(value) if isinstance(value, tuple) else value


def to_uint8(picture: Tensor) -> np.ndarray:
    """[3, H, W] in 0..1 -> uint8 [H, W, 3]."""
    return (picture.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def append_row(path: Path, row: dict[str, float]) -> None:
    """Append to a CSV file, with a heading when it is new."""
    new = not path.exists()
    with path.open("a", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def validation_pairs(frames: FrameCache, pictures: int = 8) -> list[tuple[Tensor, Tensor]]:
    """Of each clip, the first picture as key picture and up to ``pictures`` others spread over the clip."""
    pairs = []
    for _, start, count in frames.clips:
        rows = np.unique(np.linspace(start + 1, start + count - 1, pictures).astype(int))
        chosen = torch.from_numpy(frames.frames[np.concatenate(([start], rows))]).permute(0, 3, 1, 2).float() / 255
        pairs.append((chosen[:1].expand(len(rows), -1, -1, -1).contiguous(), chosen[1:]))
    return pairs


def load_matching(model: FaceModel, path: Path) -> list[str]:
    """Load the tensors of a safetensors file whose names and shapes fit; returns their names. Raises ValueError if
    none does.
    """
    from safetensors.torch import load_file

    weights = load_file(path)
    own = model.state_dict()
    fitting = {name: value.float() for name, value in weights.items() if name in own and own[name].shape == value.shape}
    if not fitting:
        raise ValueError(f"{path}: holds no tensor that fits family {model.family}")
    model.load_state_dict(fitting, strict=False)
    log.info("%s: %d of %d tensors taken over", path, len(fitting), len(own))
    return sorted(fitting)

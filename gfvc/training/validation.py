"""Held-out scores during training, and the log files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datasets.clips import FrameCache

from ..models.families import FaceModel


def validation_pairs(frames: FrameCache, pictures: int = 8) -> list[tuple[Tensor, Tensor]]:
    """Of each clip, the first picture as key picture and up to ``pictures`` others spread over the clip."""
    pairs = []
    for _, start, count in (clip for clip in frames.clips if clip[2] > 1):
        rows = np.unique(np.linspace(start + 1, start + count - 1, pictures).astype(int))
        chosen = torch.from_numpy(frames.frames[np.concatenate(([start], rows))]).permute(0, 3, 1, 2).float() / 255
        pairs.append((chosen[:1].expand(len(rows), -1, -1, -1).contiguous(), chosen[1:]))
    return pairs


@torch.no_grad()
def validate(
    model: FaceModel, pairs: list[tuple[Tensor, Tensor]], device: torch.device, *, coarse: bool = False
) -> dict[str, float]:
    """Mean PSNR (dB, RGB) of generated and of repeated key pictures, without codec and quantiser.

    ``coarse`` leaves out the refinement of mouth and eyes, for stages that come before its training.
    """
    analyse = model.analyse_coarsely if coarse else model.analyse
    scores: dict[str, list[float]] = {"psnr": [], "psnr_freeze": []}
    for key, driving in pairs:
        key, driving = key.to(device), driving.to(device)
        generated = model.generate(model.prepare(key, analyse(key)), analyse(driving))
        for name, picture in (("psnr", generated), ("psnr_freeze", key)):
            error = ((picture - driving) ** 2).mean((1, 2, 3)).clamp(min=1e-8)
            scores[name] += (-10 * torch.log10(error)).tolist()
    return {name: float(np.mean(values)) for name, values in scores.items()}


def append_row(path: Path, row: dict[str, float]) -> None:
    """Append to a CSV file, with a heading when it is new."""
    new = not path.exists()
    with path.open("a", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def sample_sheet(rows: list[Tensor], count: int = 6) -> np.ndarray:
    """Rows of pictures [B, 3, S, S] in 0..1 as one uint8 picture, ``count`` of each row side by side."""
    sheet = torch.cat([torch.cat(list(row[:count]), dim=2) for row in rows], dim=1)
    return (sheet.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()

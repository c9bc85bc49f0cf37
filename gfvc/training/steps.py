"""One training step of each stage: model and losses in one module, so that DistributedDataParallel can wrap them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from bitstream import step_size

from ..models.families import EXPLICIT_COUNT, FaceModel
from .data import Batch, transform_pictures, transform_points
from .losses import equivariance_loss, point_loss, pyramid_l1, region_weight, ssim_loss


class StepResult(NamedTuple):
    """total: what is minimised; parts: the losses by name, detached; generated: pictures for the sample sheet."""

    total: Tensor
    parts: dict[str, Tensor]
    generated: Tensor


class Step(nn.Module):
    """What the stages share: the quantiser's noise, and the pairing of pictures."""

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        self.model = model
        steps = torch.tensor([float(step_size(group.step_index)) for group in model.groups for _ in range(group.count)])
        self.register_buffer("steps", steps, persistent=False)

    def quantised(self, parameters: Tensor) -> Tensor:
        """Half a quantiser step of noise either way stands in for the quantiser."""
        return parameters + (torch.rand_like(parameters) - 0.5) * self.steps

    def result(self, losses: dict[str, Tensor], generated: Tensor) -> StepResult:
        parts = {name: value.detach() for name, value in losses.items()}
        return StepResult(sum(losses.values()), parts, generated.detach())

    def synthesise(self, pictures: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Each half of the batch from the other: generated and only warped pictures."""
        model = self.model
        state = model.synthesis.prepare(pictures, model.points(self.quantised(parameters)))
        swapped = parameters.roll(len(parameters) // 2, dims=0)
        return model.synthesis.generate(state, model.points(self.quantised(swapped)), with_warped=True)

    def picture_losses(self, batch: Batch, parameters: Tensor, pictures: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        generated, warped = self.synthesise(pictures, parameters)
        targets = torch.cat((batch.driving, batch.key_target))
        marks = torch.cat((batch.driving_marks, batch.key_marks))
        weight = region_weight(marks, targets.shape[-1])
        losses = {
            "l1": pyramid_l1(generated, targets, weight),
            "warp": 0.5 * pyramid_l1(warped, targets, weight),
            "ssim": 0.3 * ssim_loss(generated, targets, weight),
        }
        return losses, generated


class FullStep(Step):
    """Analysis and synthesis together: pictures, landmarks where there are labels, equivariance of implicit points."""

    def forward(self, batch: Batch, affine: Tensor) -> StepResult:
        model = self.model
        # Each pair is used both ways, so that one analysis of a picture serves it as key and as driving picture.
        pictures = torch.cat((batch.key, batch.driving))
        parameters = model.analyse(pictures)
        points = model.points(parameters)
        losses, generated = self.picture_losses(batch, parameters, pictures)
        marks = torch.cat((batch.key_marks, batch.driving_marks))
        losses["landmarks"] = 10 * point_loss(points[:, :EXPLICIT_COUNT], marks)
        part = slice(0, max(1, len(pictures) // 4))
        moved = model.points(model.analyse(transform_pictures(pictures[part], affine[part])))
        losses["equivariance"] = 1.5 * equivariance_loss(moved, transform_points(points[part], affine[part]))
        return self.result(losses, generated)


class SynthesisStep(Step):
    """Synthesis alone; the analysis stays as it is."""

    def forward(self, batch: Batch, affine: Tensor) -> StepResult:
        pictures = torch.cat((batch.key, batch.driving))
        with torch.no_grad():
            parameters = self.model.analyse(pictures)
        return self.result(*self.picture_losses(batch, parameters, pictures))


class PointsStep(Step):
    """Analysis alone, by regression: explicit points to the labels, all others to a teacher model's points.

    It is several times cheaper than the full step, and it is how a family learns the points of another one.
    """

    def __init__(self, model: FaceModel, teacher: FaceModel) -> None:
        super().__init__(model)
        # In a list: the teacher's weights belong neither to the state nor to the optimiser.
        self.teacher = [teacher.eval().requires_grad_(False)]

    def forward(self, batch: Batch, affine: Tensor) -> StepResult:
        model, teacher = self.model, self.teacher[0]
        pictures = torch.cat((batch.key, batch.driving))
        with torch.no_grad():
            target = teacher.points(teacher.analyse(torch.cat((batch.key_target, batch.driving))))
        marks = torch.cat((batch.key_marks, batch.driving_marks))
        explicit = torch.where(torch.isfinite(marks), marks, target[:, :EXPLICIT_COUNT])
        parameters = model.analyse(pictures)
        points = model.points(self.quantised(parameters) if model.family == "compact" else parameters)
        losses = {
            "explicit": 10 * point_loss(points[:, :EXPLICIT_COUNT], explicit),
            "implicit": 5 * (points[:, EXPLICIT_COUNT:] - target[:, EXPLICIT_COUNT:]).abs().mean(),
        }
        if model.family == "compact":
            # Keeps the feature's scale, and so its rate, in hand.
            losses["magnitude"] = 0.005 * parameters.abs().mean()
        return self.result(losses, pictures)

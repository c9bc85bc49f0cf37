"""Training losses. Pictures are [B, 3, H, W] in 0..1."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitstream import step_size

from ..models.blocks import gaussian_maps
from ..models.families import EXPLICIT_COUNT, FaceModel
from ..models.points import EYES_SLICE, MOUTH_SLICE
from .data import Batch, random_affine, transform_pictures, transform_points


def region_weight(marks: Tensor, size: int) -> Tensor:
    """1 everywhere, up to 5 at mouth and eyes, where the marks are known: [B, 1, size, size]."""
    known = torch.isfinite(marks).all(-1, keepdim=True)
    points = torch.where(known, marks, torch.full_like(marks, 9.0))
    chosen = torch.cat((points[:, MOUTH_SLICE], points[:, EYES_SLICE]), dim=1)
    return 1 + 4 * gaussian_maps(chosen, size, 0.08).amax(1, keepdim=True)


def pyramid_l1(a: Tensor, b: Tensor, weight: Tensor, levels: int = 4) -> Tensor:
    """Mean weighted absolute difference, summed over ``levels`` sizes, each half of the one before."""
    total = a.new_zeros(())
    for level in range(levels):
        total = total + ((a - b).abs() * weight).mean()
        if level + 1 < levels:
            a, b, weight = (F.avg_pool2d(x, 2) for x in (a, b, weight))
    return total


def ssim_loss(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """1 - structural similarity (Wang et al., 2004) with a 7x7 uniform window on luma, weighted by region."""
    luma = a.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    a, b = (a * luma).sum(1, keepdim=True), (b * luma).sum(1, keepdim=True)
    mean_a, mean_b = F.avg_pool2d(a, 7, 1), F.avg_pool2d(b, 7, 1)
    var_a = F.avg_pool2d(a * a, 7, 1) - mean_a**2
    var_b = F.avg_pool2d(b * b, 7, 1) - mean_b**2
    cov = F.avg_pool2d(a * b, 7, 1) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    ssim = ((2 * mean_a * mean_b + c1) * (2 * cov + c2)) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return ((1 - ssim) * weight[..., 3:-3, 3:-3]).mean()


def landmark_loss(points: Tensor, marks: Tensor) -> Tensor:
    """Mean absolute distance of explicit points and labels, mouth and eyes twice; pictures without a label do not
    count.
    """
    known = torch.isfinite(marks)
    weight = known.float()
    weight[:, MOUTH_SLICE] *= 2
    weight[:, EYES_SLICE] *= 2
    distance = (points[:, :EXPLICIT_COUNT] - torch.where(known, marks, torch.zeros_like(marks))).abs()
    return (distance * weight).sum() / weight.sum().clamp(min=1)


class TrainingStep(nn.Module):
    """Model and losses in one module, so that DistributedDataParallel can wrap them."""

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        self.model = model
        # Half a quantiser step of noise either way stands in for the quantiser.
        steps = torch.tensor([float(step_size(group.step_index)) for group in model.groups for _ in range(group.count)])
        self.register_buffer("steps", steps, persistent=False)

    def quantised(self, parameters: Tensor) -> Tensor:
        return parameters + (torch.rand_like(parameters) - 0.5) * self.steps

    def forward(self, batch: Batch, affine: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Returns the total loss, its parts, and the generated pictures. ``affine`` is for the equivariance loss."""
        model = self.model
        # Each pair is used both ways, so that one analysis of a picture serves it as key and as driving picture.
        pictures = torch.cat((batch.key, batch.driving))
        targets = torch.cat((batch.driving, batch.key_target))
        marks = torch.cat((batch.key_marks, batch.driving_marks))
        parameters = model.analyse(pictures)
        points = model.points(parameters)
        state = model.synthesis.prepare(pictures, model.points(self.quantised(parameters)))
        swapped = parameters.roll(len(batch.key), dims=0)
        generated, warped = model.synthesis.generate(state, model.points(self.quantised(swapped)), with_warped=True)
        weight = region_weight(marks.roll(len(batch.key), dims=0), targets.shape[-1])
        losses = {
            "l1": pyramid_l1(generated, targets, weight),
            "warp": 0.5 * pyramid_l1(warped, targets, weight),
            "ssim": 0.3 * ssim_loss(generated, targets, weight),
            "landmarks": 10 * landmark_loss(points, marks),
        }
        part = slice(0, max(1, len(pictures) // 4))
        moved = model.points(model.analyse(transform_pictures(pictures[part], affine[part])))
        expected = transform_points(points[part], affine[part])
        inside = (expected.abs() < 0.95).all(-1, keepdim=True)
        losses["equivariance"] = 1.5 * ((moved - expected).abs() * inside)[:, EXPLICIT_COUNT:].mean()
        if model.family == "compact":
            # Keeps the feature's scale, and so its rate, in hand.
            losses["magnitude"] = 0.01 * parameters.abs().mean()
        return sum(losses.values()), {name: value.detach() for name, value in losses.items()}, generated.detach()


def equivariance_transform(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """The random transforms that `TrainingStep` compares key points under."""
    return random_affine(count, generator, 1.0).to(device)

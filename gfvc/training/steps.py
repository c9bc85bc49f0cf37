"""One training step of each stage: model and losses in one module, so that DistributedDataParallel can wrap them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from bitstream import step_size

from ..models.code import FEATURE
from ..models.families import FaceModel
from ..models.groups import MODE_GROUP
from ..models.local import EYE_REGIONS, MOUTH_REGION
from ..models.points import FACE_COUNT, OUTLINE_SLICE, POSE_SLICE, index_of
from ..models.portrait import PortraitSynthesis
from .adversary import PatchCritic, adversarial_losses
from .code import PointBatch
from .data import Batch, transform_pictures, transform_points
from .losses import (
    LossWeights,
    behind_loss,
    equivariance_loss,
    local_loss,
    mask_loss,
    need,
    point_loss,
    pyramid_l1,
    region_weight,
    shares_loss,
    ssim_loss,
    texture_loss,
)
from .register import register
from .restoration import PieceBatch

# Side of the square around the face that the critic sees, as a share of the picture's.
FACE_SHARE = 0.5


class StepResult(NamedTuple):
    """total: what is minimised; parts: the losses by name, detached; generated: pictures for the sample sheet, points
    in the stage that has none."""

    total: Tensor
    parts: dict[str, Tensor]
    generated: Tensor


class Step(nn.Module):
    """What the stages share: the quantiser's noise, the pairing of pictures, and picture losses."""

    def __init__(self, model: FaceModel, use: LossWeights = LossWeights()) -> None:  # noqa: B008
        super().__init__()
        self.model = model
        self.use = use
        # Share of the steps that are done.
        self.progress = 0.0
        self.critic = self.make_critic() if use.adversarial or use.features else None
        steps = torch.tensor([float(step_size(group.step_index)) for group in model.groups for _ in range(group.count)])
        self.register_buffer("steps", steps, persistent=False)

    @staticmethod
    def make_critic() -> nn.Module:
        """What judges the pictures, where the losses ask for it."""
        return PatchCritic()

    def quantised(self, parameters: Tensor) -> Tensor:
        """Half a quantiser step of noise either way stands in for the quantiser."""
        return parameters + (torch.rand_like(parameters) - 0.5) * self.steps

    def received(self, parameters: Tensor) -> Tensor:
        """The points that a decoder would have."""
        return self.model.points(self.quantised(parameters))

    def result(self, losses: dict[str, Tensor], generated: Tensor) -> StepResult:
        parts = {name: value.detach() for name, value in losses.items()}
        return StepResult(sum(losses.values()), parts, generated.detach())

    def judged(self, critic: PatchCritic, generated: Tensor, original: Tensor) -> dict[str, Tensor]:
        """A critic's losses, weighted."""
        losses = adversarial_losses(critic, generated, original)
        losses["adversarial"] = self.use.adversarial * losses["adversarial"]
        losses["features"] = self.use.features * losses["features"]
        return losses

    def picture_losses(
        self,
        batch: Batch,
        pictures: Tensor,
        key_points: Tensor,
        driving_points: Tensor,
        modes: Tensor | None = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Losses of the pictures generated, and these: each half of ``pictures`` is the key picture of the other."""
        synthesis = self.model.synthesis
        driving = (driving_points,) if modes is None else (driving_points, modes)
        generated, new, carried, shares = synthesis.layers(synthesis.prepare_restored(pictures, key_points), *driving)
        targets = torch.cat((batch.driving, batch.key_target))
        marks = torch.cat((batch.driving_marks, batch.key_marks))
        weight = region_weight(marks, targets.shape[-1])
        use = self.use
        losses = {
            "l1": pyramid_l1(generated, targets, weight),
            # Each layer alone as well: one that is not chosen yet would learn nothing.
            "warp": 0.3 * pyramid_l1(carried, targets, weight),
            "new": 0.3 * pyramid_l1(new, targets, weight * need(carried, targets)),
            "ssim": 0.3 * ssim_loss(generated, targets, weight),
        }
        if use.texture:
            losses["texture"] = use.texture * texture_loss(generated, targets, weight)
        if use.shares:
            masks = torch.cat((batch.driving_mask, batch.key_mask))
            losses["shares"] = use.shares * shares_loss(shares, masks)
        if self.critic is not None:
            faces = face_squares(torch.cat((generated, targets), dim=1), marks)
            losses |= self.judged(self.critic, *faces.chunk(2, dim=1))
        return losses, generated


def face_squares(pictures: Tensor, marks: Tensor) -> Tensor:
    """Squares around the faces, cut from pictures [B, C, S, S] by the middle of their marks [B, N, 2] in the face; the
    picture's middle where these are unknown."""
    size = pictures.shape[-1]
    side = int(size * FACE_SHARE)
    centre = marks[:, :FACE_COUNT].mean(1).nan_to_num(0.0)
    corners = ((centre + 1) * size / 2 - side / 2).round().long().clamp(0, size - side).tolist()
    return torch.stack(
        [picture[:, y : y + side, x : x + side] for picture, (x, y) in zip(pictures, corners, strict=True)]
    )


class FullStep(Step):
    """Analysis (without refinement) and synthesis together: pictures, labels where there are any, equivariance."""

    def forward(self, batch: Batch, affine: Tensor) -> StepResult:
        model = self.model
        # Each pair is used both ways, so that one analysis of a picture serves it as key and as driving picture.
        pictures = torch.cat((batch.key, batch.driving))
        parameters = model.analyse_coarsely(pictures)
        points = model.points(parameters)
        swapped = parameters.roll(len(batch.key), dims=0)
        losses, generated = self.picture_losses(batch, pictures, self.received(parameters), self.received(swapped))
        marks = torch.cat((batch.key_marks, batch.driving_marks))
        losses["landmarks"] = 10 * point_loss(points, marks)
        part = slice(0, max(1, len(pictures) // 4))
        moved = model.points(model.analyse_coarsely(transform_pictures(pictures[part], affine[part])))
        losses["equivariance"] = 1.5 * equivariance_loss(moved, transform_points(points[part], affine[part]))
        return self.result(losses, generated)


class SynthesisStep(Step):
    """Synthesis alone; the analysis stays as it is.

    Some pairs take their points from the labels, where they have all: the analysis errs, and a synthesis that has only
    seen its errors follows the expression less than it could.
    """

    def __init__(self, model: FaceModel, use: LossWeights, labelled: float) -> None:
        """labelled: share of the pairs with points from the labels."""
        super().__init__(model, use)
        self.labelled = labelled

    def forward(self, batch: Batch, affine: Tensor) -> StepResult:
        pictures = torch.cat((batch.key, batch.driving))
        with torch.no_grad():
            motion = self.motion(batch, pictures)
        return self.result(*self.picture_losses(batch, pictures, *motion))

    def motion(self, batch: Batch, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Points [2 B, K, 2] of key and of driving pictures, and modes [2 B, 16], where there are any.

        Registered as an encoder does, where the generation knows how, and with the quantiser's errors, but for points
        that are labels.
        """
        model, count = self.model, len(batch.key)
        points = torch.cat((batch.key_marks, batch.driving_marks))
        known = torch.isfinite(points).all(2).all(1).unflatten(0, (2, -1)).all(0)
        use = (known & (torch.rand(known.shape, device=known.device) < self.labelled)).repeat(2)
        if not use.all():
            points[~use] = model.points(model.analyse(pictures[~use])).to(points.dtype)
        driving, modes = points.roll(count, dims=0), None
        if isinstance(model.synthesis, PortraitSynthesis):
            driving, modes = register(model.synthesis, pictures, points, pictures.roll(count, dims=0), driving)
        if not use.all():
            for found in (points, driving):
                found[~use] = self.received(model.parameters_of(found[~use])).to(points.dtype)
        if modes is not None:
            modes = modes + (torch.rand_like(modes) - 0.5) * float(step_size(MODE_GROUP.step_index))
        return points, driving, modes


class PersonStep(Step):
    """Where the person is, from labels, and what is behind, from pictures that show it."""

    def forward(self, batch: Batch, affine: Tensor) -> StepResult:
        pictures = torch.cat((batch.key, batch.driving))
        masks = torch.cat((batch.key_mask, batch.driving_mask))
        person = self.model.synthesis.person(pictures)
        targets = torch.cat((batch.driving, batch.key_target))
        losses = {
            "mask": mask_loss(person.mask, masks),
            "behind": behind_loss(person.behind, masks, targets, masks.roll(len(batch.key), dims=0)),
        }
        return self.result(losses, person.behind)


class RestoreStep(Step):
    """The restoration of decoded key pictures alone, on pieces of them."""

    def forward(self, batch: PieceBatch, affine: Tensor) -> StepResult:
        restored = self.model.synthesis.restore(batch.key)
        weight = torch.ones_like(batch.key[:, :1])
        losses = {
            "l1": pyramid_l1(restored, batch.driving, weight, levels=2),
            "ssim": 0.3 * ssim_loss(restored, batch.driving, weight),
        }
        if self.use.texture:
            losses["texture"] = self.use.texture * texture_loss(restored, batch.driving)
        if self.critic is not None:
            losses |= self.judged(self.critic, restored, batch.driving)
        return self.result(losses, restored)


class PointsStep(Step):
    """Analysis (without refinement) alone, by regression: to the labels, and in the face to a teacher model's points
    where there are none.

    It is several times cheaper than the full step.
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
        # A teacher may know no outline. Of what a crop cuts off, the point is at the picture's edge.
        target[:, OUTLINE_SLICE] = torch.nan
        marks = torch.where(torch.isfinite(marks), marks, target)
        marks[:, OUTLINE_SLICE] = marks[:, OUTLINE_SLICE].clamp(-1, 1)
        points = model.points(model.analyse_coarsely(pictures))
        losses = {
            "face": 10 * point_loss(points[:, :FACE_COUNT], marks[:, :FACE_COUNT]),
            "outline": 10 * point_loss(points[:, OUTLINE_SLICE], marks[:, OUTLINE_SLICE]),
            # Where a shoulder is, is hard to tell; that it rests below a moving head must be right.
            "motion": 20 * point_loss(*(driving - key for key, driving in (x.chunk(2) for x in (points, marks)))),
        }
        return self.result(losses, pictures)


class CodeStep(Step):
    """The code of family `compact` alone: what comes back from the quantised feature are the points that went in.

    Opening and motion weigh most: lids move by a pixel or two, and a mean error of that size would be their standstill.
    Against them stands the rate: how many steps the values change from picture to picture.
    """

    def forward(self, batch: PointBatch, affine: Tensor) -> StepResult:
        target = torch.cat((batch.key, batch.driving))
        feature = self.model.parameters_of(target)
        following = self.model.parameters_of(batch.following)
        # About the bits of each value's change from picture to picture: what the code should have little of.
        change = ((following - feature.chunk(2)[1]).abs() / self.steps)[:, :FEATURE]
        points = self.received(feature)
        # What the quantiser adds from picture to picture is seen as trembling.
        tremble = (self.received(following) - batch.following) - (points.chunk(2)[1] - batch.driving)
        right, left = (index_of(f"{side}_lid_lower", f"{side}_iris") for side in ("right", "left"))
        error = points - target
        losses = {
            "face": 10 * point_loss(points[:, :FACE_COUNT], target[:, :FACE_COUNT]),
            "outline": 40 * error[:, OUTLINE_SLICE].abs().mean(),
            "gaze": 10 * sum((error[:, iris] - error[:, lid]).abs().mean() for lid, iris in (right, left)),
            "tremble": 40 * (tremble[:, POSE_SLICE].abs().mean() + tremble[:, OUTLINE_SLICE].abs().mean()),
            "rate": self.use.rate * torch.log2(1 + change).mean(),
        }
        for name, regions in (("mouth", (MOUTH_REGION,)), ("eyes", EYE_REGIONS)):
            chosen = [(list(region.points), region.gap) for region in regions]
            losses[name] = sum(local_loss(points[:, c], target[:, c], gap, (5, 25, 15)) for c, gap in chosen)
        return self.result(losses, points)


class LocalStep(Step):
    """The refinement of mouth and eyes alone, from labels.

    The squares are cut around the labels, moved, turned and scaled at random by more than the analysis errs.
    """

    def forward(self, batch: Batch, affine: Tensor) -> StepResult:
        pictures = torch.cat((batch.key, batch.driving))
        marks = torch.cat((batch.key_marks, batch.driving_marks))[:, :FACE_COUNT]
        known = torch.isfinite(marks).all(2).all(1)
        marks = marks.where(known[:, None, None], torch.nan)
        # Pictures without labels are looked at anywhere, and do not count.
        rough = self.disturbed(marks.where(known[:, None, None], torch.rand_like(marks) - 0.5))
        losses: dict[str, Tensor] = {}
        for region, frame, found in self.model.analysis.local.look(pictures, rough):
            name = "mouth" if region == MOUTH_REGION else "eyes"
            loss = local_loss(found, frame.to_square(marks[:, list(region.points)]), region.gap)
            losses[name] = losses.get(name, 0) + loss
        return self.result(losses, pictures)

    @staticmethod
    def disturbed(points: Tensor) -> Tensor:
        """Points [B, K, 2] of faces, each face turned, scaled and moved a little, mouth and eyes also each for
        itself."""

        def uniform(*shape: int) -> Tensor:
            return torch.rand(len(points), *shape, device=points.device) * 2 - 1

        centre = points.mean(1, keepdim=True)
        offset = points - centre
        size = offset.norm(dim=-1).mean(1)[:, None, None]
        angle, scale = 0.15 * uniform(1), 1 + 0.15 * uniform(1)
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        x, y = offset.unbind(-1)
        turned = torch.stack((cos * x - sin * y, sin * x + cos * y), dim=-1)
        return centre + turned + size * (0.06 * uniform(1, 2) + 0.04 * uniform(points.shape[1], 2))

"""One training step of the stage `details`: mouth and eyes, painted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.blocks import warp
from ..models.details import paint_over, square_maps
from ..models.groups import EYES_PART, LOOK_COUNT, MOUTH_PART
from ..models.local import CROP_SIZE, EYE_REGIONS, MOUTH_REGION, REGIONS, LocalPoints, opening, region_frame
from .adversary import PatchCritic
from .data import similarity
from .losses import pyramid_l1, ssim_loss, texture_loss
from .squares import SquareBatch
from .steps import Step, StepResult

_MAPS = 5
# Of the error of the points that the analysis finds in what was painted, in half sides of a square, and of the
# features by which it finds them.
_FOUND, _LOOKS = 2.0, 0.5
# Of an eye's points.
_IRIS = 2
# Lids and irises move by a pixel or two, which the errors above hardly see.
_OPENING, _GAZE = 4.0, 4.0
# Share of the training in which looks cost nothing; as long again, and they have their whole price.
_FREE = 0.15
# By how many steps what a decoder has of a look is off, at most.
_LAG = 0.75


class DetailsStep(Step):
    """The painters alone, on squares of pictures that the rest of the model has made, and the looks they are told.

    Besides the losses of pictures, what the analysis sees in the painted squares has to be what it sees in the
    originals: it knows mouths and eyes by what they do. Two critics, of mouths and of eyes, are told where the points
    are. Looks have a price: about the bits by which they differ from the key picture's.
    """

    @staticmethod
    def make_critic() -> nn.ModuleDict:
        return nn.ModuleDict({name: PatchCritic(inputs=3 + _MAPS) for name in ("mouth", "eye")})

    def forward(self, batch: dict[int, SquareBatch], affine: Tensor) -> StepResult:
        losses: dict[str, Tensor] = {}
        shown = {}
        for name, places in (("mouth", [0]), ("eye", [1, 2])):
            parts = [batch[place] for place in places]
            told, rate = self.told(name, parts)
            squares = (self.squares(place, *part) for place, *part in zip(places, parts, told, strict=True))
            shown[name], target, maps = (torch.cat(tensors) for tensors in zip(*squares, strict=True))
            for kind, loss in (self.region_losses(name, shown[name], target, maps) | rate).items():
                losses[kind] = losses.get(kind, 0) + loss
        return self.result(losses, shown["mouth"])

    def told(self, name: str, parts: Sequence[SquareBatch]) -> tuple[list[Tensor | None], dict[str, Tensor]]:
        """What the painter of mouth or eyes is told of each square of a picture, as a decoder has it, and the price."""
        if not self.model.has_looks:
            return [None] * len(parts), {}
        looks = self.model.analysis.looks
        see, part = (looks.of_mouth, MOUTH_PART) if name == "mouth" else (looks.of_eyes, EYES_PART)
        steps = self.steps[-LOOK_COUNT:][part]
        key, driving = (
            see(*map(disturbed, squares)) for squares in zip(*((p.key, p.driving) for p in parts), strict=True)
        )
        # Not from the start: values that cost and that nobody listens to yet would fall silent.
        price = self.use.rate * min(1.0, max(0.0, (self.progress - _FREE) / _FREE))
        rate = price * torch.log2(1 + (driving - key).abs() / steps).mean()
        # The encoder leaves values as they are while they change by little.
        received = driving + (2 * torch.rand_like(driving) - 1) * _LAG * steps
        if name == "mouth":
            return [received], {"rate": rate}
        return self.model.synthesis.details.each_eye(received), {"rate": rate}

    def squares(self, place: int, batch: SquareBatch, look: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Of one region: painted squares, originals, and the maps of the points."""
        region = REGIONS[place]
        painter = self.model.synthesis.details.painter(region)
        key_frame, frame = (region_frame(points, region) for points in (batch.key_points, batch.driving_points))
        maps = square_maps(batch.driving_points, region, frame)
        seen = painter.see(batch.key, square_maps(batch.key_points, region, key_frame))
        painted, share = painter(batch.now, seen, maps, look)
        return paint_over(batch.now, painted, share), batch.driving, maps

    def region_losses(self, name: str, painted: Tensor, target: Tensor, maps: Tensor) -> dict[str, Tensor]:
        use, local = self.use, self.model.analysis.local
        finder: LocalPoints = local.mouth if name == "mouth" else local.eye
        gap = MOUTH_REGION.gap if name == "mouth" else EYE_REGIONS[0].gap
        weight = torch.ones_like(target[:, :1])
        points, looks = finder.look(painted)
        with torch.no_grad():
            true_points, true_looks = finder.look(target)
        distances = [(a - b).abs().mean() / b.abs().mean() for a, b in zip(looks, true_looks, strict=True)]
        losses = {
            "l1": pyramid_l1(painted, target, weight, levels=3),
            "ssim": 0.3 * ssim_loss(painted, target, weight),
            "found": _FOUND * (points - true_points).abs().mean(),
            "looks": _LOOKS * torch.stack(distances).mean(),
            "opening": _OPENING * opening(points - true_points, gap).abs().mean(),
        }
        if name == "eye":
            losses["gaze"] = _GAZE * _gaze(points - true_points).abs().mean()
        if use.texture:
            losses["texture"] = use.texture * texture_loss(painted, target)
        if self.critic is not None:
            large = F.interpolate(maps, size=(CROP_SIZE, CROP_SIZE), mode="bilinear", align_corners=False)
            told = (torch.cat((pictures, large), dim=1) for pictures in (painted, target))
            losses |= self.judged(self.critic[name], *told)
        return losses


def _gaze(points: Tensor) -> Tensor:
    """Where the iris is between the lids: [B, 2], from points [B, 4, 2] of an eye."""
    return points[:, _IRIS] - points[:, :2].mean(1)


def disturbed(squares: Tensor) -> Tensor:
    """Squares [B, 3, 64, 64] turned, scaled and moved a little, at random: where an encoder cuts them, a decoder's lie
    only nearly."""
    rand = 2 * torch.rand(4, len(squares), device=squares.device) - 1
    angle, scale, right, down = (0.05 * rand[0], 1 + 0.05 * rand[1], 0.06 * rand[2], 0.06 * rand[3])
    affine = similarity(angle, scale, right, down)
    return warp(squares, F.affine_grid(affine, list(squares.shape), align_corners=False))

"""One training step of the stage `details`: mouth and eyes, painted."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.details import paint_over, square_maps
from ..models.local import CROP_SIZE, REGIONS, LocalPoints, region_frame
from .adversary import PatchCritic
from .losses import pyramid_l1, ssim_loss, texture_loss
from .squares import SquareBatch
from .steps import Step, StepResult

_MAPS = 5
# Of the error of the points that the analysis finds in what was painted, in half sides of a square, and of the
# features by which it finds them.
_FOUND, _LOOKS = 2.0, 0.5


class DetailsStep(Step):
    """The painters alone, on squares of pictures that the rest of the model has made.

    Besides the losses of pictures, what the analysis sees in the painted squares has to be what it sees in the
    originals: it knows mouths and eyes by what they do. Two critics, of mouths and of eyes, are told where the points
    are.
    """

    @staticmethod
    def make_critic() -> nn.ModuleDict:
        return nn.ModuleDict({name: PatchCritic(inputs=3 + _MAPS) for name in ("mouth", "eye")})

    def forward(self, batch: dict[int, SquareBatch], affine: Tensor) -> StepResult:
        mouth, *eyes = (self.squares(place, squares) for place, squares in sorted(batch.items()))
        losses: dict[str, Tensor] = {}
        shown = []
        for name, parts in (("mouth", [mouth]), ("eye", eyes)):
            painted, target, maps = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
            for kind, loss in self.region_losses(name, painted, target, maps).items():
                losses[kind] = losses.get(kind, 0) + loss
            shown.append(painted)
        return self.result(losses, shown[0])

    def squares(self, place: int, batch: SquareBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Of one region: painted squares, originals, and the maps of the points."""
        region = REGIONS[place]
        painter = self.model.synthesis.details.painter(region)
        key_frame, frame = (region_frame(points, region) for points in (batch.key_points, batch.driving_points))
        maps = square_maps(batch.driving_points, region, frame)
        seen = painter.see(batch.key, square_maps(batch.key_points, region, key_frame))
        painted, share = painter(batch.now, seen, maps)
        return paint_over(batch.now, painted, share), batch.driving, maps

    def region_losses(self, name: str, painted: Tensor, target: Tensor, maps: Tensor) -> dict[str, Tensor]:
        use, local = self.use, self.model.analysis.local
        finder: LocalPoints = local.mouth if name == "mouth" else local.eye
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
        }
        if use.texture:
            losses["texture"] = use.texture * texture_loss(painted, target)
        if self.critic is not None:
            large = F.interpolate(maps, size=(CROP_SIZE, CROP_SIZE), mode="bilinear", align_corners=False)
            told = (torch.cat((pictures, large), dim=1) for pictures in (painted, target))
            losses |= self.judged(self.critic[name], *told)
        return losses

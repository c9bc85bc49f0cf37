"""The families behind one interface: `analyse`, `prepare`, `generate`.

Encoder, decoder and bitstream know none of them by name.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .analysis import CompactAnalysis, KeypointAnalysis
from .code import FEATURE, CompactDecoder
from .details import DetailedState, DetailedSynthesis, ModedSynthesis, ToldState, ToldSynthesis
from .groups import LOOK_COUNT, LOOK_GROUPS, MODE_COUNT, MODE_GROUP, ParameterGroup
from .layered import LayeredState, LayeredSynthesis
from .looks import Looks
from .points import EYES, MOUTH, OUTLINE, POINT_COUNT, POSE
from .portrait import PortraitState, PortraitSynthesis
from .synthesis import KeyState, Synthesis

_SYNTHESES: dict[int, type[nn.Module]] = {
    1: Synthesis,
    2: LayeredSynthesis,
    3: PortraitSynthesis,
    4: DetailedSynthesis,
    5: ToldSynthesis,
    6: ModedSynthesis,
}
KeyPictureState = KeyState | LayeredState | PortraitState | DetailedState | ToldState


class FaceModel(nn.Module):
    """Base of all families.

    Parameters are float [B, n], n the sum of the groups' counts. ``generation``: 1 has a blended synthesis, 2 a layered
    one, 3 one that knows the person from what is behind, 4 one that paints mouth and eyes besides, 5 has their looks
    among its parameters, 6 modes of the head's motion; None is the family's ``newest``.
    """

    family = ""
    groups: tuple[ParameterGroup, ...] = ()
    newest = 4

    def __init__(self, generation: int | None = None) -> None:
        super().__init__()
        self.generation = self.newest if generation is None else generation
        self.synthesis = _SYNTHESES[self.generation]()

    @property
    def has_looks(self) -> bool:
        """Whether the looks of mouth and eyes are among the parameters."""
        return self.generation >= 5

    @property
    def has_modes(self) -> bool:
        """Whether modes of the head's motion are among the parameters."""
        return self.generation >= 6

    def analyse(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in 0..1 -> parameters [B, n]."""
        raise TypeError(f"{type(self).__name__} does not define analyse()")

    def analyse_coarsely(self, pictures: Tensor) -> Tensor:
        """As `analyse`, without the refinement of mouth and eyes and their looks, which are trained after all else."""
        raise TypeError(f"{type(self).__name__} does not define analyse_coarsely()")

    def points(self, parameters: Tensor) -> Tensor:
        """Parameters [B, n] -> the key points [B, K, 2] that drive the motion."""
        raise TypeError(f"{type(self).__name__} does not define points()")

    def parameters_of(self, points: Tensor) -> Tensor:
        """The converse: key points [B, K, 2] -> parameters [B, n] that stand for them."""
        raise TypeError(f"{type(self).__name__} does not define parameters_of()")

    def prepare(self, picture: Tensor, parameters: Tensor) -> KeyPictureState:
        """Once a group: decoded key picture [B, 3, H, W] in 0..1 (H, W multiples of 4) and its parameters [B, n].

        The state's ``picture`` is what is shown for the key picture itself.
        """
        return self.synthesis.prepare(picture, self.points(parameters))

    def generate(self, state: KeyPictureState, parameters: Tensor) -> Tensor:
        """Each picture: parameters [B, n] -> generated picture [B, 3, H, W], 0..1."""
        return self.synthesis.generate(state, self.points(parameters), *self.told(parameters)).clamp(0, 1)

    def told(self, parameters: Tensor) -> tuple[Tensor, ...]:
        """What of parameters [B, n] the points do not know, where there is any: looks [B, 10] of mouth and eyes, and
        modes [B, 16] of the head's motion."""
        return ()


class Keypoints2d(FaceModel):
    """The x and y of the key points of `gfvc.models.points`, in -1..1."""

    family = "keypoints2d"
    groups = (
        ParameterGroup("pose", 2 * len(POSE), 2, 24),
        ParameterGroup("mouth", 2 * len(MOUTH), 2, 25, True),
        ParameterGroup("eyes", 2 * len(EYES), 2, 25, True),
        ParameterGroup("outline", 2 * len(OUTLINE), 2, 19),
    )

    def __init__(self, generation: int | None = None) -> None:
        super().__init__(generation)
        self.analysis = KeypointAnalysis()

    def analyse(self, pictures: Tensor) -> Tensor:
        return torch.flatten(self.analysis(pictures), 1)

    def analyse_coarsely(self, pictures: Tensor) -> Tensor:
        return torch.flatten(self.analysis.coarse(pictures), 1)

    def points(self, parameters: Tensor) -> Tensor:
        return parameters.unflatten(1, (POINT_COUNT, 2))

    def parameters_of(self, points: Tensor) -> Tensor:
        return torch.flatten(points, 1)


class Compact(FaceModel):
    """A 4x4 feature that a small network turns into motion, as in CFTE (Chen et al., DCC 2022): by way of the key
    points. From generation 5 on, the looks of mouth and eyes besides, from 6 on modes of the head's motion."""

    family = "compact"
    # One value apart: within the first group each is predicted by the change of those before it, as suits points that
    # move together. Values of a learned code do not; this saves a fifteenth of the bits.
    groups = (
        ParameterGroup("first", 1, 1, 15, dead_zone=0.75),
        ParameterGroup("feature", FEATURE - 1, 1, 15, dead_zone=0.75),
    )
    newest = 6

    def __init__(self, generation: int | None = None) -> None:
        super().__init__(generation)
        self.analysis = CompactAnalysis()
        self.decoder = CompactDecoder()
        if self.has_modes:
            self.groups = (*self.groups, MODE_GROUP)
        if self.has_looks:
            self.groups = self.groups + LOOK_GROUPS
            self.analysis.looks = Looks()

    def analyse(self, pictures: Tensor) -> Tensor:
        feature = self.analysis(pictures)
        if not self.has_looks:
            return feature
        # The squares lie where the decoder will have them, not where the points were found.
        looks = self.analysis.looks(pictures, self.decoder(feature))
        return torch.cat((feature, *self._no_modes(feature), looks), dim=1)

    def analyse_coarsely(self, pictures: Tensor) -> Tensor:
        return self.parameters_of(self.analysis.coarse(pictures))

    def points(self, parameters: Tensor) -> Tensor:
        return self.decoder(parameters[:, :FEATURE] if self.has_looks else parameters)

    def told(self, parameters: Tensor) -> tuple[Tensor, ...]:
        if not self.has_modes:
            return (parameters[:, FEATURE:],) if self.has_looks else ()
        return parameters[:, FEATURE + MODE_COUNT :], parameters[:, FEATURE : FEATURE + MODE_COUNT]

    def parameters_of(self, points: Tensor) -> Tensor:
        feature = self.analysis.encode(points)
        if not self.has_looks:
            return feature
        # The points say nothing of the looks: 0 is their middle.
        return torch.cat((feature, *self._no_modes(feature), feature.new_zeros(len(feature), LOOK_COUNT)), dim=1)

    def _no_modes(self, feature: Tensor) -> list[Tensor]:
        """Modes [B, 16] that move nothing, where there are any: they are of two pictures, and an analysis sees one."""
        # Not new zeros: a tracer would take their number for a constant.
        return [0 * feature[:, :1].expand(-1, MODE_COUNT)] if self.has_modes else []


FAMILIES: dict[str, type[FaceModel]] = {model.family: model for model in (Keypoints2d, Compact)}

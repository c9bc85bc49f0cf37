"""The families behind one interface: `analyse`, `prepare`, `generate`.

Encoder, decoder and bitstream know none of them by name.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .analysis import CompactAnalysis, KeypointAnalysis
from .code import FEATURE, CompactDecoder
from .details import DetailedState, DetailedSynthesis
from .groups import ParameterGroup
from .layered import LayeredState, LayeredSynthesis
from .points import EYES, MOUTH, OUTLINE, POINT_COUNT, POSE
from .portrait import PortraitState, PortraitSynthesis
from .synthesis import KeyState, Synthesis

_SYNTHESES: dict[int, type[nn.Module]] = {
    1: Synthesis,
    2: LayeredSynthesis,
    3: PortraitSynthesis,
    4: DetailedSynthesis,
}
GENERATION = 4
KeyPictureState = KeyState | LayeredState | PortraitState | DetailedState


class FaceModel(nn.Module):
    """Base of all families.

    Parameters are float [B, n], n the sum of the groups' counts. ``generation``: 1 has a blended synthesis, 2 a layered
    one, 3 one that knows the person from what is behind, 4 one that paints mouth and eyes besides.
    """

    family = ""
    groups: tuple[ParameterGroup, ...] = ()

    def __init__(self, generation: int = GENERATION) -> None:
        super().__init__()
        self.generation = generation
        self.synthesis = _SYNTHESES[generation]()

    def analyse(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in 0..1 -> parameters [B, n]."""
        raise TypeError(f"{type(self).__name__} does not define analyse()")

    def analyse_coarsely(self, pictures: Tensor) -> Tensor:
        """As `analyse`, without the refinement of mouth and eyes, which is trained after all else."""
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
        return self.synthesis.generate(state, self.points(parameters)).clamp(0, 1)


class Keypoints2d(FaceModel):
    """The x and y of the key points of `gfvc.models.points`, in -1..1."""

    family = "keypoints2d"
    groups = (
        ParameterGroup("pose", 2 * len(POSE), 2, 24),
        ParameterGroup("mouth", 2 * len(MOUTH), 2, 25, True),
        ParameterGroup("eyes", 2 * len(EYES), 2, 25, True),
        ParameterGroup("outline", 2 * len(OUTLINE), 2, 19),
    )

    def __init__(self, generation: int = GENERATION) -> None:
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
    points."""

    family = "compact"
    # One value apart: within the first group each is predicted by the change of those before it, as suits points that
    # move together. Values of a learned code do not; this saves a fifteenth of the bits.
    groups = (
        ParameterGroup("first", 1, 1, 17, dead_zone=0.75),
        ParameterGroup("feature", FEATURE - 1, 1, 17, dead_zone=0.75),
    )

    def __init__(self, generation: int = GENERATION) -> None:
        super().__init__(generation)
        self.analysis = CompactAnalysis()
        self.decoder = CompactDecoder()

    def analyse(self, pictures: Tensor) -> Tensor:
        return self.analysis(pictures)

    def analyse_coarsely(self, pictures: Tensor) -> Tensor:
        return self.analysis.encode(self.analysis.coarse(pictures))

    def points(self, parameters: Tensor) -> Tensor:
        return self.decoder(parameters)

    def parameters_of(self, points: Tensor) -> Tensor:
        return self.analysis.encode(points)


FAMILIES: dict[str, type[FaceModel]] = {model.family: model for model in (Keypoints2d, Compact)}

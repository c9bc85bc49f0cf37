"""Mouth and eyes, painted: what speaks in a face is small, and the key picture seldom shows it.

A mouth opens on teeth, a lid covers an iris or shows it: no motion of the key picture makes that. Cut out upright and
at one scale, as the analysis sees them (`local`), all mouths look alike, and a small network that sees nothing else
learns to paint them from a few points and from what the key picture shows. Its squares are laid over the generated
picture, with soft edges.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import Down, ResidualBlock, Up, gaussian_maps, pick, picture_grid, warp
from .groups import EYES_LOOK, EYES_PART, MOUTH_LOOK, MOUTH_PART
from .local import CROP_SIZE, MOUTH_REGION, REGIONS, SOURCE_SIZE, Frame, Region, cut, region_frame
from .modes import MotionModes
from .portrait import PortraitSynthesis
from .resample import reduce_picture

# Side of the networks' features.
_MAP_SIZE, _INNER_SIZE = CROP_SIZE // 2, CROP_SIZE // 8
_BUMP, _SOFT = 0.12, 0.05
# Share of a square's half side over which it fades out.
_EDGE = 0.25
_SEEN = 12
# Where a square fades out, a painter learns to exaggerate: told of a brow that moves across its edge, it lays orange
# stripes on the forehead. Lids, whites and irises need less than this, teeth more.
_EYE_LIMIT = 0.25
# Weight of the samples one and a half away from one that is put in between. Sampled bilinearly at random places, the
# finer picture keeps 0.99 of the detail that bicubic sampling (which has -0.094 here) keeps; with -0.094, 0.86.
_FAR = -0.14
# Of the fill behind the person, in samples of 128.
_FADE = 2


def square_maps(points: Tensor, region: Region, frame: Frame) -> Tensor:
    """Where a region's points are in its square, and what lies between its lips or lids: [B, 5, 32, 32]."""
    placed = frame.to_square(pick(points, region.points))
    axis = picture_grid(_MAP_SIZE, 1, placed)[:, 0, 1]
    upper, lower = (placed[:, index, 1:] for index in region.gap)
    between = torch.sigmoid((axis - upper) / _SOFT) * torch.sigmoid((lower - axis) / _SOFT)
    middle = 0.5 * (placed[:, region.gap[0], :1] + placed[:, region.gap[1], :1])
    across = torch.exp(-4 * (axis - middle) ** 2)
    return torch.cat(
        (gaussian_maps(placed, _MAP_SIZE, _BUMP), (between[:, :, None] * across[:, None, :])[:, None]), dim=1
    )


def _window() -> Tensor:
    """1 in the middle of a square, falling to 0 in its outermost samples: [1, 1, 64, 64]."""
    axis = (torch.arange(CROP_SIZE) * 2 + 1) / CROP_SIZE - 1
    ramp = ((1 - 1 / CROP_SIZE - axis.abs()) / _EDGE).clamp(0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return (ramp[:, None] * ramp[None, :])[None, None]


class SquarePainter(nn.Module):
    """Paints the squares of one region."""

    def __init__(self, width: int, look: int = 0, limit: float | None = None) -> None:
        """look: values of a look (`looks`) that it is told, 0 for none; limit: by how much it may change a colour."""
        super().__init__()
        self.limit = limit
        middle, narrow = width * 3 // 2, width * 2
        self.look = nn.Sequential(
            nn.Conv2d(12 + 5, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, _SEEN, 3, padding=1)
        )
        self.stem = nn.Conv2d(12 + 5 + _SEEN, width, 3, padding=1)
        self.down1, self.res1 = Down(width, middle), ResidualBlock(middle)
        self.down2, self.res2 = Down(middle, narrow), nn.Sequential(ResidualBlock(narrow), ResidualBlock(narrow))
        self.up1, self.res3 = Up(narrow, middle, middle), ResidualBlock(middle)
        self.up2 = Up(middle, width, width)
        self.out = nn.Conv2d(width, 16, 3, padding=1)
        if look:
            self.told = nn.Linear(look, narrow * _INNER_SIZE**2)
            nn.init.normal_(self.told.weight, std=0.1)
            nn.init.zeros_(self.told.bias)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        self.register_buffer("window", _window(), persistent=False)

    def see(self, key: Tensor, maps: Tensor) -> Tensor:
        """Once a group, from a square of the key picture and its `square_maps`: features [B, 12, 32, 32]."""
        return self.look(torch.cat((F.pixel_unshuffle(key * 2 - 1, 2), maps), dim=1))

    def forward(self, now: Tensor, seen: Tensor, maps: Tensor, look: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """From a square of the generated picture, what `see` found, `square_maps`, and the look [B, L] where it is told
        one: what to paint, [B, 3, 64, 64], 0..1 or a little beyond, and how much of it to show, [B, 1, 64, 64],
        0..1."""
        x = F.relu(self.stem(torch.cat((F.pixel_unshuffle(now * 2 - 1, 2), maps, seen), dim=1)))
        at16 = self.res1(self.down1(x))
        at8 = self.down2(at16)
        if look is not None:
            at8 = at8 + self.told(look).unflatten(1, (-1, _INNER_SIZE, _INNER_SIZE))
        at8 = self.res2(at8)
        x = self.up2(self.res3(self.up1(F.relu(at8), at16)), x)
        painted = F.pixel_shuffle(self.out(x), 2)
        # Clamped, not squashed: what need not be painted is left exactly as it is.
        share = (0.5 + painted[:, 3:]).clamp(0, 1) * self.window
        change = painted[:, :3] if self.limit is None else painted[:, :3].clamp(-self.limit, self.limit)
        return now + change, share


def paint_over(now: Tensor, painted: Tensor, share: Tensor) -> Tensor:
    """The squares with what was painted: [B, 3, 64, 64]."""
    return now + share * (painted - now)


class Details(nn.Module):
    """The painters of mouth and eyes; one network paints both eyes, the left one mirrored."""

    def __init__(self, told: bool = False) -> None:
        """told: they are told the looks of the driving picture."""
        super().__init__()
        if not told:
            self.mouth, self.eye = SquarePainter(32), SquarePainter(16)
        else:
            self.mouth, self.eye = SquarePainter(32, MOUTH_LOOK), SquarePainter(16, EYES_LOOK, _EYE_LIMIT)
            # What the looks of a pair of eyes say to each of them.
            self.sides = nn.Linear(EYES_LOOK, 2 * EYES_LOOK)

    def painter(self, region: Region) -> SquarePainter:
        """That of a region."""
        return self.mouth if region == MOUTH_REGION else self.eye

    @torch.no_grad()
    def rest(self) -> None:
        """Forget what has been learned: paint nothing."""
        for painter in (self.mouth, self.eye):
            painter.out.weight.zero_()
            painter.out.bias.copy_(torch.tensor([0.0] * 12 + [-1.0] * 4))

    def see(self, picture: Tensor, points: Tensor) -> Tensor:
        """Once a group, from the key picture [B, 3, H, W] and its points [B, K, 2]: [B, 36, 32, 32], 12 a region."""
        source = reduce_picture(picture, SOURCE_SIZE)
        found = []
        for region in REGIONS:
            frame = region_frame(points, region)
            found.append(self.painter(region).see(cut(source, frame), square_maps(points, region, frame)))
        return torch.cat(found, dim=1)

    def each(self, looks: Tensor | None) -> list[Tensor | None]:
        """What each region's painter is told of looks [B, 10]."""
        if looks is None:
            return [None] * len(REGIONS)
        return [looks[:, MOUTH_PART], *self.each_eye(looks[:, EYES_PART])]

    def each_eye(self, looks: Tensor) -> list[Tensor]:
        """What the painter is told of the right and of the left eye, of looks [B, 4] of the pair."""
        return list(self.sides(looks).chunk(2, dim=1))

    def forward(self, picture: Tensor, seen: Tensor, points: Tensor, looks: Tensor | None = None) -> Tensor:
        """Generated pictures [B, 3, H, W] of driving points [B, K, 2] -> the same with mouth and eyes painted."""
        source = reduce_picture(picture, SOURCE_SIZE)
        frames, squares = [region_frame(points, region) for region in REGIONS], []
        told = zip(REGIONS, frames, seen.split(_SEEN, dim=1), self.each(looks), strict=True)
        for region, frame, features, look in told:
            maps = square_maps(points, region, frame)
            painted, share = self.painter(region)(cut(source, frame), features, maps, look)
            squares.append(torch.cat((share * painted, share), dim=1))
        # Side by side, and sampled at once: they seldom overlap, and each sampling costs as much as a painter.
        placed = warp(torch.cat(squares, dim=3), places(frames, picture))
        return (1 - placed[:, 3:]) * picture + placed[:, :3]


def places(frames: list[Frame], picture: Tensor) -> Tensor:
    """Where each sample of pictures [B, 3, H, W] is in squares of one size that lie side by side, in that to whose
    middle it is nearest: [B, H, W, 2]. Samples outside all squares are at the edge of one, where nothing is painted."""
    height, width = picture.shape[-2:]
    rows = picture_grid(height, 1, picture)[:, 0, 1].view(1, height, 1)
    columns = picture_grid(1, width, picture)[0, :, 0].view(1, 1, width)
    best: list[Tensor] = []
    for index, frame in enumerate(frames):
        x, y = _place(frame, rows, columns)
        far = torch.maximum(x.abs(), y.abs())
        x = (x.clamp(-1, 1) + (2 * index + 1 - len(frames))) / len(frames)
        if index:
            # 1 or 0, without a comparison, which not all engines have.
            nearer = torch.ceil((best[2] - far).clamp(0, 1))
            x, y, far = (before + nearer * (now - before) for before, now in zip(best, (x, y, far), strict=True))
        best = [x, y, far]
    return torch.stack(best[:2], dim=-1)


def _place(frame: Frame, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Where samples at rows [1, H, 1] and columns [1, 1, W] are in the square, across and down: [B, H, W] each."""
    scale = (frame.down * frame.down).sum(-1, keepdim=True)
    ways = [way / scale for way in (frame.right, frame.down)]
    return tuple(
        way[..., :1] * columns + (way[..., 1:] * rows - (way * frame.centre).sum(-1, keepdim=True)) for way in ways
    )


class DetailedState(NamedTuple):
    """What is computed once a group: as `PortraitState`, and what the painters saw of mouth and eyes, `details`."""

    picture: Tensor
    behind: Tensor
    mask: Tensor
    seen: Tensor
    half: Tensor
    quarter: Tensor
    still: Tensor
    details: Tensor
    points: Tensor


class DetailedSynthesis(PortraitSynthesis):
    """The synthesis of generation 4.

    All networks see squares of 256, which is what they have learned from: only warp and mix grow with the picture.
    """

    def __init__(self, told: bool = False) -> None:
        """told: as in `Details`."""
        super().__init__(inner_size=SOURCE_SIZE, fade=_FADE)
        # The painted squares and the leash of the decoder cost detail: less of what is soft gives it back.
        self.least_share = 0.25
        self.details = Details(told)

    def prepare_restored(self, picture: Tensor, points: Tensor) -> DetailedState:
        *state, points = super().prepare_restored(picture, points)
        return DetailedState(*state, self.details.see(picture, points), points)

    def generate(
        self,
        state: DetailedState | ToldState,
        driving: Tensor,
        looks: Tensor | None = None,
        modes: Tensor | None = None,
    ) -> Tensor:
        return self.details(self.layers(state, driving, modes).picture, state.details, driving, looks)


class ToldState(NamedTuple):
    """As `DetailedState`; fine: the restored key picture with new samples halfway between its own, [B, 3, 2 H, 2 W]."""

    picture: Tensor
    behind: Tensor
    mask: Tensor
    seen: Tensor
    half: Tensor
    quarter: Tensor
    still: Tensor
    details: Tensor
    fine: Tensor
    points: Tensor


class ToldSynthesis(DetailedSynthesis):
    """The synthesis of generation 5: its painters are told the looks, [B, 10], of each driving picture.

    The key picture is made finer once a group, so that to move it costs half of what bicubic sampling does. Its own
    samples are kept: what rests would lose detail else.
    """

    def __init__(self) -> None:
        super().__init__(told=True)
        near = 0.5 - _FAR
        taps = torch.tensor([_FAR, 0, near, 1, near, 0, _FAR])
        self.register_buffer("between", (taps[:, None] * taps).repeat(3, 1, 1, 1), persistent=False)

    def prepare_restored(self, picture: Tensor, points: Tensor) -> ToldState:
        *state, points = super().prepare_restored(picture, points)
        return ToldState(*state, self.finer(picture), points)

    def finer(self, picture: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, 3, 2 H, 2 W]: its samples, and one halfway to the next behind each, across and down."""
        padded = F.pad(picture, (2, 2, 2, 2), mode="replicate")
        found = F.conv_transpose2d(padded, self.between, stride=2, padding=3, output_padding=1, groups=3)
        return found[..., 4:-4, 4:-4]

    def carried(self, state: ToldState, grid: Tensor) -> Tensor:
        if self.sampling != "bicubic":
            return super().carried(state, grid)
        height, width = state.picture.shape[-2:]
        # `warp` takes the samples of `fine` to lie a quarter of a sample of the picture before where they do: half of
        # what the first sample of the picture is from its corner. A tensor, because sizes are free in graphs.
        return warp(state.fine, grid - 0.5 * (picture_grid(height, width, grid)[:1, :1] + 1))


class ModedSynthesis(ToldSynthesis):
    """The synthesis of generation 6: modes of the head's motion, whose values are [B, 16], on top of the points'."""

    def __init__(self) -> None:
        super().__init__()
        self.modes = MotionModes()

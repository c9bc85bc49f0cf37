"""Mouth and eyes painted over generated pictures: where, how much, and what stays as it is."""

from __future__ import annotations

import pytest
import torch

from gfvc.models.details import Details, SquarePainter, places, square_maps
from gfvc.models.local import CROP_SIZE, EYE_REGIONS, MOUTH_REGION, REGIONS, cut, region_frame
from gfvc.models.points import MIRROR, POINT_COUNT, index_of

SIZE = 128


@pytest.fixture(scope="module")
def points() -> torch.Tensor:
    """A face, a little turned: [1, K, 2]."""
    points = torch.zeros(1, POINT_COUNT, 2)
    places = {"forehead": (0.0, -0.4), "chin": (0.0, 0.4), "right_side": (-0.35, 0.0), "left_side": (0.35, 0.0)}
    places |= {"mouth_right": (-0.1, 0.2), "mouth_left": (0.1, 0.2), "upper_lip": (0.0, 0.17), "lower_lip": (0.0, 0.25)}
    for side, x in (("right", -0.17), ("left", 0.17)):
        places |= {f"{side}_lid_upper": (x, -0.12), f"{side}_lid_lower": (x, -0.08)}
        places |= {f"{side}_iris": (x, -0.1), f"{side}_brow": (x, -0.2)}
    for name, place in places.items():
        points[0, index_of(name)[0]] = torch.tensor(place)
    angle = torch.tensor(0.2)
    turn = torch.stack((torch.stack((angle.cos(), -angle.sin())), torch.stack((angle.sin(), angle.cos()))))
    return points @ turn.T + torch.tensor([0.1, -0.05])


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


class Red(torch.nn.Module):
    """Paints whole squares red."""

    def forward(self, now, seen, maps, look):
        red = now.new_tensor([1.0, 0.0, 0.0])[None, :, None, None].expand_as(now)
        return red, SquarePainter(8).window.expand(len(now), -1, -1, -1)


def untouched() -> Details:
    """Painters that would rather not."""
    details = Details()
    details.rest()
    return details


@torch.no_grad()
def test_nothing_painted_is_nothing_changed(picture, points):
    details = untouched()
    assert torch.equal(details(picture, details.see(picture, points), points), picture)


@torch.no_grad()
@pytest.mark.parametrize(
    ("painter", "regions"), [("mouth", (MOUTH_REGION,)), ("eye", EYE_REGIONS)], ids=["mouth", "eyes"]
)
def test_paint_lies_where_the_points_are_and_nowhere_else(picture, points, painter, regions):
    details = untouched()
    setattr(details, painter, Red())
    seen = torch.zeros(1, 36, CROP_SIZE // 2, CROP_SIZE // 2)
    found = details(picture, seen, points)
    changed = (found != picture).any(1)[0]
    red = (found[0] - picture.new_tensor([1.0, 0.0, 0.0])[:, None, None]).abs().amax(0) < 1e-3
    inside = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    axis = (torch.arange(SIZE) * 2 + 1) / SIZE - 1
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).view(1, -1, 2)
    for region in regions:
        place = region_frame(points, region).to_square(grid).view(SIZE, SIZE, 2).abs().amax(-1)
        inside |= place < 1
        assert red[place < 0.7].all()
    assert not changed[~inside].any()


@torch.no_grad()
def test_where_squares_overlap_the_nearer_middle_has_the_sample(picture, points):
    near = points.clone()
    for name in ("lid_upper", "lid_lower", "iris", "brow"):
        right, left = index_of(f"right_{name}", f"left_{name}")
        near[:, [right, left]] = points[:, [right, left]] * 0.5 + points[:, [left, right]] * torch.tensor([0.3, 0.5])
    frames = [region_frame(near, region) for region in REGIONS]
    axis = (torch.arange(SIZE) * 2 + 1) / SIZE - 1
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).view(1, -1, 2)
    placed = torch.stack([frame.to_square(grid)[0] for frame in frames])
    far = placed.abs().amax(-1)
    least, nearest = far.min(0)
    assert ((far < 1).sum(0) > 1).any()
    found = places(frames, picture).view(-1, 2)
    inside = least < 1
    assert torch.equal(((found[:, 0] + 1) * len(frames) / 2).floor().long()[inside], nearest[inside])
    own = placed[nearest, torch.arange(len(nearest))]
    across = (own[:, 0] + 2 * nearest + 1 - len(frames)) / len(frames)
    assert torch.allclose(found[inside], torch.stack((across, own[:, 1]), dim=-1)[inside], atol=1e-5)
    # Outside all of them: at an edge, where nothing is painted.
    u = (found[~inside, 0] + 1) * len(frames) / 2
    at_edge = ((u - u.round()).abs() < 1e-5) | (found[~inside, 1].abs() >= 1)
    assert at_edge.all()


@torch.no_grad()
def test_painting_of_a_mirrored_face_is_the_mirrored_painting(picture, points):
    torch.manual_seed(5)
    details = Details().eval()
    torch.nn.init.normal_(details.eye.out.weight, std=0.2)
    # A mouth has no other side that its network would know of.
    details.mouth = untouched().mouth
    mirrored_points = points[:, list(MIRROR)] * torch.tensor([-1.0, 1.0])
    one, other = (
        details(shown, details.see(shown, at), at)
        for shown, at in ((picture, points), (picture.flip(-1), mirrored_points))
    )
    assert (one - picture).abs().max() > 0.1
    assert torch.allclose(one, other.flip(-1), atol=1e-4)


@torch.no_grad()
def test_squares_show_their_points_at_the_same_place_whatever_the_picture_s_size(points):
    large = torch.nn.functional.interpolate(
        torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2)), 256, mode="bicubic", align_corners=False
    )
    small = torch.nn.functional.avg_pool2d(large, 2)
    for region in REGIONS:
        frame = region_frame(points, region)
        assert (cut(large, frame) - cut(small, frame)).abs().mean() < 0.01


@torch.no_grad()
def test_maps_tell_open_from_closed(points):
    closed = points.clone()
    upper, lower = index_of("upper_lip", "lower_lip")
    closed[:, lower] = closed[:, upper]
    maps = [square_maps(at, MOUTH_REGION, region_frame(at, MOUTH_REGION))[:, -1] for at in (points, closed)]
    assert maps[0].amax() > 0.5
    assert maps[1].amax() < 0.3


@torch.no_grad()
def test_a_painter_changes_no_colour_by_more_than_its_limit():
    torch.manual_seed(7)
    now, maps = torch.rand(2, 3, CROP_SIZE, CROP_SIZE), torch.rand(2, 5, CROP_SIZE // 2, CROP_SIZE // 2)
    for limit in (None, 0.25):
        torch.manual_seed(8)
        painter = SquarePainter(8, limit=limit)
        torch.nn.init.normal_(painter.out.weight, std=1.0)
        painted, _ = painter(now, painter.see(now, maps), maps)
        largest = (painted - now).abs().max()
        assert largest > 0.3 if limit is None else largest == pytest.approx(limit, abs=1e-6)

"""Training pairs: labels move with the pictures, draws repeat; and losses know what they measure."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from datasets.clips import ClipError, FrameCache, Outlines, load_outlines
from gfvc.models.blocks import picture_grid
from gfvc.models.points import FACE_COUNT, MIRROR, POINT_COUNT, index_of
from gfvc.training.code import PointSampler
from gfvc.training.data import PairSampler, openings, random_affine, transform_pictures, transform_points
from gfvc.training.degrade import SPACING, build_degraded, degraded_rows
from gfvc.training.losses import equivariance_loss, local_loss, point_loss, pyramid_l1, region_weight, ssim_loss

from .media import psnr

SIZE = 64
CPU = torch.device("cpu")


def dot(x: float, y: float) -> torch.Tensor:
    """A bright spot on black, [1, 3, SIZE, SIZE]."""
    grid = picture_grid(SIZE, SIZE, torch.zeros(1))
    distance = ((grid - torch.tensor([x, y])) ** 2).sum(-1)
    return torch.exp(-distance / (2 * 0.06**2)).expand(1, 3, SIZE, SIZE)


def position(picture: torch.Tensor) -> torch.Tensor:
    """Where the spot is: [2]."""
    luma = picture.mean(0)
    weight = (luma - luma.median() - 0.15 * (luma.max() - luma.median())).clamp(min=0)
    return (weight[..., None] * picture_grid(SIZE, SIZE, weight)).sum((0, 1)) / weight.sum()


def dot_cache(x: float, y: float, count: int = 8) -> FrameCache:
    frame = (dot(x, y)[0].permute(1, 2, 0) * 200).byte().numpy()
    return FrameCache(np.stack([frame] * count), (("a", 0, count // 2), ("b", count // 2, count // 2)), 1, ())


def test_points_move_as_the_pictures_do():
    torch.manual_seed(1)
    affine = random_affine(20, torch.Generator().manual_seed(2), 1.0)
    start = torch.tensor([0.2, -0.1])
    moved = transform_pictures(dot(*start.tolist()).expand(20, 3, SIZE, SIZE).contiguous(), affine)
    expected = transform_points(start.expand(20, 1, 2), affine)[:, 0]
    found = torch.stack([position(picture) for picture in moved])
    assert torch.allclose(found, expected, atol=0.02)
    assert (expected - start).abs().max() > 0.1


def test_identity_transform_changes_nothing():
    affine = random_affine(3, torch.Generator(), 0.0)
    pictures = torch.rand(3, 3, SIZE, SIZE)
    assert torch.allclose(transform_pictures(pictures, affine), pictures, atol=1e-5)
    points = torch.rand(3, 5, 2)
    assert torch.allclose(transform_points(points, affine), points)


def test_marks_of_a_batch_lie_where_its_pictures_show_them():
    cache = dot_cache(0.2, -0.1)
    marks = np.tile(np.float32([0.2, -0.1]), (8, POINT_COUNT, 1))
    batch = PairSampler(cache, marks, None, device=CPU, seed=0).draw(24)
    for pictures, where in (
        (batch.key, batch.key_marks),
        (batch.driving, batch.driving_marks),
        (batch.key_target, batch.key_marks),
    ):
        found = torch.stack([position(picture) for picture in pictures])
        assert torch.allclose(found, where[:, 0], atol=0.03)
    # Mirrored ones among them.
    assert len({bool(x < 0) for x in batch.key_marks[:, 0, 0]}) == 2


def test_mirroring_exchanges_left_and_right_points():
    cache = dot_cache(0.0, 0.0)
    marks = np.zeros((8, POINT_COUNT, 2), np.float32)
    marks[:, :, 1] = np.linspace(-0.5, 0.5, POINT_COUNT)
    batch = PairSampler(cache, marks, None, device=CPU, seed=0).draw(24)
    # The heights, which a flip leaves alone, tell which point is which: their order is one of two.
    orders = {tuple(np.argsort(row[:, 1]).tolist()) for row in undone(batch.key_marks)}
    straight = tuple(range(POINT_COUNT))
    assert orders == {straight, tuple(np.argsort(np.linspace(-0.5, 0.5, POINT_COUNT)[list(MIRROR)]).tolist())}


def undone(marks: torch.Tensor) -> np.ndarray:
    """Marks on a line, turned upright: the line runs from the lowest mark to the highest."""
    out = []
    for row in marks.numpy():
        centred = row - row.mean(0)
        axis = np.linalg.svd(centred)[2][0]
        axis = axis if axis[1] > 0 else -axis
        out.append(np.stack((np.zeros(len(row)), centred @ axis), 1))
    return np.array(out)


def test_draws_repeat_with_the_seed_and_differ_without():
    cache = FrameCache(
        np.random.default_rng(0).integers(0, 256, (12, SIZE, SIZE, 3), dtype=np.uint8), (("a", 0, 12),), 1, ()
    )
    one, same, other = (PairSampler(cache, None, None, device=CPU, seed=seed).draw(4) for seed in (5, 5, 6))
    assert torch.equal(one.driving, same.driving)
    assert not torch.equal(one.driving, other.driving)
    assert one.key.shape == one.driving.shape == one.key_target.shape == (4, 3, SIZE, SIZE)
    assert 0 <= one.key.min() < one.key.max() <= 1
    assert torch.isnan(one.key_marks).all()
    assert one.key_marks.shape == (4, POINT_COUNT, 2)


def test_pairs_are_of_one_clip():
    """Each clip has a grey of its own; colour changes are common to a pair."""
    grey = np.repeat(np.linspace(0.2, 0.8, 6), 5)[:, None, None, None] * np.ones((1, 16, 16, 3)) * 255
    cache = FrameCache(grey.astype(np.uint8), tuple((str(n), 5 * n, 5) for n in range(6)), 1, ())
    batch = PairSampler(cache, None, None, device=CPU, seed=0).draw(32)
    assert torch.allclose(batch.key.mean((1, 2, 3)), batch.driving.mean((1, 2, 3)), atol=0.01)


def test_half_of_the_key_pictures_come_from_the_codec_when_asked(demo, tmp_path):
    frames = np.stack([picture[::4, ::4] for picture in demo])
    cache = FrameCache(frames, (("a", 0, 30), ("b", 30, 10)), 1, ())
    assert degraded_rows(cache).tolist() == [0, SPACING, 2 * SPACING, 30]
    degraded = build_degraded(cache, tmp_path, seed=0)
    for row, picture in zip(degraded_rows(cache), degraded, strict=True):
        assert 15 < psnr(frames[row], picture) < 45
    batch = PairSampler(cache, None, degraded, device=CPU, seed=0).draw(40)
    differ = (batch.key - batch.key_target).abs().flatten(1).amax(1) > 1e-3
    assert 8 <= differ.sum() <= 32
    assert np.array_equal(build_degraded(cache, tmp_path, seed=0), degraded)


def test_picture_losses_are_zero_for_equal_pictures_and_grow_with_the_error():
    torch.manual_seed(0)
    picture = torch.rand(2, 3, SIZE, SIZE) * 0.5 + 0.25
    weight = torch.ones(2, 1, SIZE, SIZE)
    noise = torch.randn_like(picture)
    for loss in (pyramid_l1, ssim_loss):
        losses = [float(loss(picture + sigma * noise, picture, weight)) for sigma in (0, 0.02, 0.1)]
        assert losses[0] == pytest.approx(0, abs=1e-5)
        assert losses == sorted(losses)
        assert losses[2] > 2 * losses[1] > 0


def test_region_weight_is_high_at_known_mouth_and_eyes_alone():
    marks = torch.full((2, POINT_COUNT, 2), math.nan)
    marks[0] = 0.0
    weight = region_weight(marks, SIZE)
    assert weight[0].max() > 4.5
    assert weight[0, 0, 0, 0] == pytest.approx(1)
    assert torch.allclose(weight[1], torch.ones_like(weight[1]))


def test_unknown_marks_do_not_count():
    points = torch.zeros(1, POINT_COUNT, 2)
    marks = torch.full((1, POINT_COUNT, 2), math.nan)
    assert float(point_loss(points, marks)) == 0
    marks[0, 3] = 0.5
    assert float(point_loss(points, marks)) == pytest.approx(0.5)


def test_equivariance_counts_points_on_the_picture_alone():
    moved, expected = torch.zeros(1, POINT_COUNT, 2), torch.zeros(1, POINT_COUNT, 2)
    assert float(equivariance_loss(moved, expected)) == 0
    expected[0, -1] = 0.5
    assert float(equivariance_loss(moved, expected)) > 0
    expected[0, -1] = 1.5
    assert float(equivariance_loss(moved, expected)) == 0


def face_marks(count: int, opened: float) -> np.ndarray:
    """Marks of ``count`` pictures of a face with lips ``opened`` apart, irises 0.5 apart."""
    marks = np.zeros((count, POINT_COUNT, 2), np.float32)
    marks[:, index_of("left_iris")[0], 0] = 0.5
    marks[:, index_of("lower_lip")[0], 1] = opened
    return marks


def test_openings_are_shares_of_the_distance_between_the_irises():
    marks = torch.from_numpy(np.concatenate((face_marks(1, 0.1), np.full((1, POINT_COUNT, 2), np.nan, np.float32))))
    assert torch.allclose(openings(marks), torch.tensor([[0.2, 0, 0], [0, 0, 0]]))


def test_pairs_in_which_the_lips_move_are_drawn_more_often():
    """In one picture of ten the mouth is open; plain pairs would differ in 18 of 100 cases."""
    frames = np.zeros((10, SIZE, SIZE, 3), np.uint8)
    marks = np.concatenate((face_marks(9, 0.0), face_marks(1, 0.2)))
    sampler = PairSampler(FrameCache(frames, (("a", 0, 10),), 1, ()), marks, None, device=CPU, seed=3)
    batch = sampler.draw(400)
    open_key, open_driving = (openings(m)[:, 0] > 0.1 for m in (batch.key_marks, batch.driving_marks))
    share = (open_key != open_driving).float().mean().item()
    # One of four candidates differs in 1 - 0.82^4 = 55 of 100 cases: (18 + 55) / 2 on average.
    assert share == pytest.approx(0.365, abs=0.07)


def test_local_loss_adds_place_opening_and_motion():
    expected = torch.zeros(2, 3, 2)
    found = expected.clone()
    # In the driving picture alone the lower lip is 0.6 too low: one of 12 values.
    found[1, 1, 1] = 0.6
    assert local_loss(found, expected, (0, 1)).item() == pytest.approx(0.6 / 12 + 0.6 / 2 + 0.6 / 6)
    assert local_loss(found, expected, (0, 1), (0, 10, 0)).item() == pytest.approx(3.0)
    # What is unknown does not count.
    expected[1] = torch.nan
    assert local_loss(found, expected, (0, 1)).item() == 0


def test_point_pairs_are_of_one_clip_under_one_transform():
    # Clip a has points around 0, clip b a triangle; the distances between its points tell the clip.
    points = torch.zeros(6, 3, 2)
    points[3:, 1, 0] = points[3:, 2, 1] = 0.5
    sampler = PointSampler(FrameCache(np.zeros((6, 1, 1, 3), np.uint8), (("a", 0, 3), ("b", 3, 3)), 1, ()), points, CPU)
    sampler.generator.manual_seed(5)
    batch = sampler.draw(50)
    sides = [(pair[:, 1] - pair[:, 0]).norm(dim=-1) for pair in batch]
    assert all(torch.allclose(sides[0], other, atol=1e-6) for other in sides[1:])
    assert {bool(side > 0.1) for side in sides[0]} == {True, False}
    assert torch.allclose(batch.key, batch.driving, atol=1e-6)


def bright_on_the_left(count: int = 4) -> tuple[FrameCache, Outlines]:
    """Pictures that are bright where the person is: on the left; the last picture has no mask."""
    frames = np.full((count, SIZE, SIZE, 3), 60, np.uint8)
    frames[:, :, : SIZE // 2] = 180
    masks = np.zeros((1, 128, 128), np.uint8)
    masks[..., :64] = 255
    row = np.array([0] * (count - 1) + [-1])
    outlines = Outlines(np.full((count, 5, 2), 0.25, np.float32), masks, row)
    return FrameCache(frames, (("a", 0, count - 1), ("b", count - 1, 1)), 1, ()), outlines


def test_masks_move_with_the_pictures_and_outline_points_are_marks():
    cache, outlines = bright_on_the_left()
    batch = PairSampler(cache, None, None, outlines=outlines, device=CPU, seed=0).draw(48)
    known = batch.key_mask.isfinite().flatten(1).all(1)
    assert {True, False} == set(known.tolist())
    for pictures, masks in ((batch.key, batch.key_mask), (batch.driving, batch.driving_mask)):
        luma = pictures[known].mean(1)
        middle = (luma.amax((1, 2)) + luma.amin((1, 2))) / 2
        assert ((luma > middle[:, None, None]) == (masks[known, 0] > 0.5)).float().mean() > 0.97
    assert batch.key_marks[known, FACE_COUNT:].isfinite().all()
    assert batch.key_marks[:, :FACE_COUNT].isnan().all()


def test_the_background_stays_behind_where_the_person_moves_alone():
    """A bright column in the background of every picture is where it is in the key picture."""
    cache, outlines = bright_on_the_left()
    cache.frames[:, :, 52:54] = 255
    batch = PairSampler(cache, None, None, outlines=outlines, device=CPU, seed=0).draw(64)
    known = batch.key_mask.isfinite().flatten(1).all(1)
    background = (batch.key_mask[known] < 0.01) & (batch.driving_mask[known] < 0.01)
    # Two samples beside the person are filled.
    background &= torch.nn.functional.max_pool2d(batch.key_mask[known], 9, 1, 4) < 0.01
    difference = (batch.key_target[known] - batch.driving[known]).abs().amax(1, keepdim=True)
    assert background.float().mean() > 0.2
    assert difference[background].max() < 0.02
    assert (batch.key_mask[known] - batch.driving_mask[known]).abs().mean() > 0.005


def test_outlines_are_loaded_for_the_pictures_kept(tmp_path):
    points = np.arange(60).reshape(6, 5, 2).astype(np.float16)
    masks = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 128, 128), np.uint8)
    np.savez(tmp_path / "b.outline.npz", points=points, masks=masks)
    cache = FrameCache(np.zeros((5, 8, 8, 3), np.uint8), (("a", 0, 2), ("b", 2, 3)), 2, ())
    for _ in range(2):
        outlines = load_outlines(cache, tmp_path, tmp_path)
        assert np.isnan(outlines.points[:2]).all()
        assert np.array_equal(outlines.points[2:], points[::2].astype(np.float32))
        assert outlines.row.tolist() == [-1, -1, 0, 1, 2]
        assert outlines.masks[:, 5, 5].tolist() == [0, 2, 4]
    short = FrameCache(np.zeros((5, 8, 8, 3), np.uint8), (("b", 0, 5),), 2, ())
    with pytest.raises(ClipError, match=r"b\.outline\.npz: 3 labels for 5 pictures"):
        load_outlines(short, tmp_path, tmp_path)
    assert load_outlines(FrameCache(cache.frames, (("c", 0, 5),), 1, ()), tmp_path, tmp_path) is None

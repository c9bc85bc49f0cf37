"""Preparation: layouts, metadata, tracks, crops, shots, filters, manifest and splits."""

from __future__ import annotations

import csv
import hashlib
import itertools

import av
import numpy as np
import pytest

from datasets import manifest, prepare, split
from datasets.clips import ClipError
from datasets.faces import Box, FaceDetector
from datasets.sources import list_sources, read_metadata
from datasets.tracking import Crop, Look, crop_for, follow, overlap, windows
from gfvc.errors import GfvcError

from ..gfvc.media import DEMO, SHARED, read_clip, scaled, write_clip

METADATA = """Identity  : \tid00017
Reference : \t5MkXgwdrmJw
Offset    : \t-2
FV Conf   : \t21.1\t(1)
ASD Conf  : \t4.7

FRAME \tX \tY \tW \tH
000250 \t0.30 \t0.10 \t0.20 \t0.40
000251 \t0.32 \t0.12 \t0.20 \t0.40
000252 \t0.34 \t0.14 \t0.20 \t0.40
"""


def box(x, y, side, score=0.9):
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2, score)


class Painted:
    """A detector of test pictures: each saturated red square is a face."""

    def __init__(self, *_):
        pass

    def detect(self, picture):
        mask = (picture[..., 0] > 180) & (picture[..., 1] < 90) & (picture[..., 2] < 90)
        columns = np.flatnonzero(mask.any(0))
        found = []
        for part in np.split(columns, np.flatnonzero(np.diff(columns) > 4) + 1) if len(columns) else ():
            rows = np.flatnonzero(mask[:, part[0] : part[-1] + 1].any(1))
            found.append(Box(*map(float, (part[0], rows[0], part[-1] + 1, rows[-1] + 1)), 0.9))
        return sorted((entry for entry in found if entry.side > 10), key=lambda entry: -entry.side)


def scene(faces, *, width=320, height=240, ground=110, seed=1):
    """A picture of noise with red squares (x, y, side)."""
    rng = np.random.default_rng(seed)
    picture = rng.normal(ground, 30, (height, width, 3)).clip(0, 255).astype(np.uint8)
    for x, y, side in faces:
        half = side // 2
        picture[y - half : y + half, x - half : x + half] = (250, 20, 20)
    return picture


@pytest.fixture
def painted(monkeypatch):
    monkeypatch.setattr(prepare, "FaceDetector", Painted)
    monkeypatch.setattr(prepare, "_detectors", {})


def run(source, out, *options):
    return prepare.main([str(source), str(out), "--workers", "1", "-q", *options])


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


# Layouts and metadata


def test_metadata_of_voxceleb(tmp_path):
    path = tmp_path / "00001.txt"
    path.write_text(METADATA)
    found = read_metadata(path)
    assert (found.identity, found.reference) == ("id00017", "5MkXgwdrmJw")
    assert (found.t0, found.t1) == (10.0, 253 / 25)
    assert found.rows[1] == (251, 0.32, 0.12, 0.2, 0.4)


@pytest.mark.parametrize("text", ["", "Identity : id00017\n", METADATA + "000253 \t0.1\n", METADATA + "a b c d e\n"])
def test_broken_metadata_is_an_error_with_its_file(tmp_path, text):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(ClipError, match="x.txt.*FRAME X Y W H"):
        read_metadata(tmp_path / "x.txt")


def test_official_layout_is_found_below_any_folder(tmp_path):
    for part in ("dev", "test"):
        clip = tmp_path / part / "mp4" / f"id0001{len(part)}" / "5MkXgwdrmJw" / "00001.mp4"
        clip.parent.mkdir(parents=True)
        clip.touch()
    text = tmp_path / "dev" / "txt" / "id00013" / "5MkXgwdrmJw" / "00001.txt"
    text.parent.mkdir(parents=True)
    text.write_text(METADATA)
    (tmp_path / "stray.mp4").touch()
    found, skipped = list_sources(tmp_path, "voxceleb")
    assert [(entry.identity, entry.reference, entry.t0) for entry in found] == [
        ("id00017", "5MkXgwdrmJw", 10.0),
        ("id00014", "5MkXgwdrmJw", None),
    ]
    assert skipped == [("stray.mp4", "not in the layout idXXXXX/VIDEO/NNNNN.mp4")]
    assert len(list_sources(tmp_path)[0]) == 3


def test_a_folder_names_its_identities(tmp_path):
    for name in ("anna/1.mp4", "anna/2.mp4", "berta.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [entry.identity for entry in list_sources(tmp_path)[0]] == ["anna", "anna", "berta"]
    with pytest.raises(ClipError, match="none of 3 videos"):
        list_sources(tmp_path, "voxceleb")


# Tracks and crops


def test_overlap_of_boxes():
    assert overlap(box(50, 50, 20), box(50, 50, 20)) == 1
    assert overlap(box(50, 50, 20), box(60, 50, 20)) == pytest.approx(1 / 3)
    assert overlap(box(50, 50, 20), box(80, 50, 20)) == 0


def test_two_faces_are_two_tracks_and_gaps_are_counted():
    looks = [Look(4 * n, [box(50 + n, 60, 40), box(200, 60, 30)]) for n in range(6)]
    looks[2] = Look(8, [box(200, 60, 30)])
    long, short = sorted(follow(looks), key=lambda track: -track.side)
    assert long.pictures == [0, 4, 12, 16, 20]
    assert long.missing == pytest.approx(1 / 6)
    assert short.missing == 0


def test_a_face_that_went_away_ends_its_track():
    looks = [Look(n, [box(50, 60, 40)] if n < 3 or n > 7 else []) for n in range(12)]
    assert [track.pictures for track in follow(looks)] == [[0, 1, 2], [8, 9, 10, 11]]


def test_crop_holds_all_boxes_inside_the_picture():
    crop = crop_for([box(60, 100, 50), box(80, 110, 50)], 0.5, 320, 240)
    assert crop.side == 20 + 50 + 50
    assert crop == Crop(10, 45, 120)
    assert crop_for([box(30, 100, 50)], 0.5, 320, 240).left == 0
    assert crop_for([box(160, 120, 200)], 0.5, 320, 240) is None


def test_windows_are_cut_where_the_head_leaves_and_at_the_longest():
    track = follow([Look(n, [box(100 + (100 if n >= 10 else 0), 120, 60 + (n >= 10))]) for n in range(10)])[0]
    cut = list(windows(track, margin=0.35, roam=1.5, longest=4, width=320, height=240))
    assert [(window.first, window.last) for window in cut] == [(0, 3), (4, 7), (8, 9)]
    wandering = follow([Look(n, [box(60 + 12 * n, 120, 60)]) for n in range(14)])[0]
    parts = list(windows(wandering, margin=0.35, roam=1.5, longest=1000, width=320, height=240))
    assert len(parts) > 1
    for window in parts:
        left, top, side = window.crop
        for n in range(window.first, window.last + 1):
            face = wandering.boxes[n]
            assert left <= face.x0
            assert face.x1 <= left + side
            assert top <= face.y0
            assert face.y1 <= top + side


def test_a_face_too_large_for_its_margin_gets_the_largest_square():
    track = follow([Look(n, [box(130, 128, 190)]) for n in range(4)])[0]
    (window,) = windows(track, margin=0.35, roam=1.5, longest=100, width=256, height=256)
    assert window.crop == Crop(0, 0, 256)


# From videos to clips


def test_shots_crops_and_times(tmp_path, painted):
    """Two shots of one video: the second is brighter, its face elsewhere; the rest of the picture is cut away."""
    first = [scene([(100, 120, 90)], seed=n) for n in range(30)]
    second = [scene([(220, 110, 100)], ground=200, seed=n) for n in range(30)]
    source = tmp_path / "in" / "anna"
    source.mkdir(parents=True)
    write_clip(source / "v.mp4", first + second)
    assert run(tmp_path / "in", tmp_path / "out", "--min-s", "1") == 0
    rows = rows_of(tmp_path / "out" / "manifest.csv")
    assert [(row["identity"], row["frames"], row["t0"], row["t1"]) for row in rows] == [
        ("anna", "30", "0.0", "1.2"),
        ("anna", "30", "1.2", "2.4"),
    ]
    for row, (x, side) in zip(rows, ((100, 90), (220, 100)), strict=True):
        left, _, right, _ = map(int, row["crop_box"].split())
        assert (left + right) / 2 == pytest.approx(x, abs=2)
        assert right - left == pytest.approx(1.7 * side, abs=3)
        assert float(row["source_face_px"]) == pytest.approx(side, abs=2)
        clip = tmp_path / "out" / row["file"]
        assert hashlib.sha256(clip.read_bytes()).hexdigest() == row["sha256"]
        pictures = read_clip(clip)
        assert len(pictures) == 30
        assert pictures[0].shape == (256, 256, 3)
        # The face fills the middle.
        assert pictures[15][128, 128, 0] > 200 > 100 > pictures[15][128, 128, 1]


@pytest.mark.parametrize(
    ("faces", "options", "reason"),
    [
        ([], [], "no face"),
        ([(100, 120, 60)], [], "face of 6"),
        ([(100, 120, 90)], ["--min-s", "2"], "span of 1.0 s"),
        ([(110, 120, 90), (172, 100, 20)], [], "a second face in the crop"),
        ([(100, 120, 90)], ["--min-sharpness", "100000"], "blurred"),
    ],
)
def test_filters_say_why(tmp_path, painted, faces, options, reason):
    (tmp_path / "in").mkdir()
    write_clip(tmp_path / "in" / "v.mp4", [scene(faces, seed=n) for n in range(25)])
    assert run(tmp_path / "in", tmp_path / "out", "--min-s", "0.5", *options) == 2
    assert rows_of(tmp_path / "out" / "manifest.csv") == []
    assert any(reason in row["reason"] for row in rows_of(tmp_path / "out" / "skipped.csv"))
    assert not list((tmp_path / "out").rglob("*.mp4"))


def utterance(folder, box, frames=26, size=(320, 240)):
    """A video in VoxCeleb's layout with two faces, and metadata that moves ``box`` (x, y, side) right by a pixel a
    picture; fractions if it is given so."""
    clip = folder / "mp4" / "id00017" / "5MkXgwdrmJw" / "00001.mp4"
    text = folder / "txt" / "id00017" / "5MkXgwdrmJw" / "00001.txt"
    for path in (clip, text):
        path.parent.mkdir(parents=True)
    write_clip(clip, [scene([(90, 120, 90), (240, 100, 84)], seed=n) for n in range(frames)])
    x, y, side = box
    step = 1 if side > 1 else 1 / size[0]
    height = side if side > 1 else side * size[0] / size[1]
    rows = "".join(f"{250 + n:06} \t{x + n * step} \t{y} \t{side} \t{height}\n" for n in range(frames))
    text.write_text(METADATA[: METADATA.index("000250")] + rows)


@pytest.mark.parametrize("box", [(185, 50, 100), (185 / 320, 50 / 240, 100 / 320)], ids=["pixels", "fractions"])
def test_boxes_of_the_metadata_can_take_the_detectors_place(tmp_path, monkeypatch, box):
    """Nothing is searched; the crop holds the box on all its way, pixels of VoxCeleb1 or fractions of VoxCeleb2."""

    def refuse(*_):
        raise AssertionError("a detector was made")

    monkeypatch.setattr(prepare, "FaceDetector", refuse)
    utterance(tmp_path / "in", box)
    assert run(tmp_path / "in", tmp_path / "out", "--min-s", "0.5", "--boxes", "use", "--margin", "0.1") == 0
    (row,) = rows_of(tmp_path / "out" / "manifest.csv")
    assert row["frames"] == "26"
    assert float(row["source_face_px"]) == pytest.approx(100, abs=0.2)
    left, top, right, bottom = map(int, row["crop_box"].split())
    assert (left + right) / 2 == pytest.approx(185 + 12.5 + 50, abs=2)
    assert (top + bottom) / 2 == pytest.approx(100, abs=2)
    assert right - left == pytest.approx(25 + 120, abs=2)


def test_boxes_of_the_metadata_tell_which_face_is_meant(tmp_path, painted):
    utterance(tmp_path / "in", (195, 55, 90))
    options = ("--min-s", "0.5", "--margin", "0.1")
    assert run(tmp_path / "in", tmp_path / "all", *options) == 0
    assert len(rows_of(tmp_path / "all" / "manifest.csv")) == 2
    assert run(tmp_path / "in", tmp_path / "out", *options, "--boxes", "verify") == 0
    (row,) = rows_of(tmp_path / "out" / "manifest.csv")
    assert float(row["source_face_px"]) == pytest.approx(84, abs=2)
    (skipped,) = rows_of(tmp_path / "out" / "skipped.csv")
    assert skipped["reason"] == "not the face of the metadata's boxes"


def test_boxes_that_do_not_fit_are_a_reason(tmp_path, painted):
    utterance(tmp_path / "in", (700, 300, 200))
    options = ("--min-s", "0.5", "--boxes", "use")
    assert run(tmp_path / "in", tmp_path / "out", *options) == 2
    assert "26 of 26 boxes lie outside pictures of 320x240" in rows_of(tmp_path / "out" / "skipped.csv")[0]["reason"]
    next((tmp_path / "in").rglob("*.txt")).unlink()
    assert run(tmp_path / "in", tmp_path / "bare", *options) == 2
    assert "no txt file with boxes" in rows_of(tmp_path / "bare" / "skipped.csv")[0]["reason"]


def test_unreadable_files_are_listed_and_the_rest_goes_on_once(tmp_path, painted, monkeypatch):
    source = tmp_path / "in"
    source.mkdir()
    (source / "broken.mp4").write_bytes(b"not a video" * 50)
    write_clip(source / "good.mp4", [scene([(100, 120, 90)], seed=n) for n in range(25)])
    assert run(source, tmp_path / "out", "--min-s", "0.5") == 0
    before = (tmp_path / "out" / "manifest.csv").read_bytes()
    assert [row["file"] for row in rows_of(tmp_path / "out" / "skipped.csv")] == ["broken"]

    def refuse(*_):
        raise AssertionError("done twice")

    monkeypatch.setattr(prepare, "prepare_one", refuse)
    assert run(source, tmp_path / "out", "--min-s", "0.5") == 0
    assert (tmp_path / "out" / "manifest.csv").read_bytes() == before


def test_bad_folders_are_one_line(tmp_path, capsys, monkeypatch):
    assert run(tmp_path / "nothing", tmp_path / "out") == 2
    assert "not a folder" in capsys.readouterr().err
    (tmp_path / "v.mp4").touch()
    monkeypatch.setenv("GFVC_CACHE", str(tmp_path))
    assert run(tmp_path, tmp_path / "out", "--weights-dir", str(tmp_path)) == 2
    assert "blazeface.pth not available: fetch https://" in capsys.readouterr().err


@pytest.mark.skipif(not (SHARED / "weights" / "blazeface.pth").exists(), reason="no weights of BlazeFace")
def test_blazeface_finds_the_face_and_its_place():
    picture = read_clip(DEMO, 1)[0]
    wide = np.zeros((300, 500, 3), np.uint8)
    wide[20:276, 200:456] = picture
    detector = FaceDetector("blazeface", SHARED / "weights")
    (alone,), (placed,) = detector.detect(picture), detector.detect(wide)
    assert 60 < alone.side < 200
    assert alone.score > 0.7
    assert placed.centre == pytest.approx((alone.centre[0] + 200, alone.centre[1] + 20), abs=8)
    assert detector.detect(np.full((200, 200, 3), 90, np.uint8)) == []


def test_unknown_detectors_are_named():
    with pytest.raises(GfvcError, match="one of blazeface"):
        FaceDetector("eyes")


# Manifests and splits


def people(count):
    return [{"file": f"{n}-{k}.mp4", "identity": f"id{n:05}"} for n in range(count) for k in range(3)]


def test_splits_share_nobody_and_follow_the_seed():
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    parts = manifest.split(people(40), shares, seed=3)
    names = {part: {row["identity"] for row in rows} for part, rows in parts.items()}
    assert all(not a & b for a, b in itertools.combinations(names.values(), 2))
    assert {part: len(group) for part, group in names.items()} == {"train": 32, "validation": 4, "test": 4}
    assert sum(map(len, parts.values())) == 120
    assert manifest.split(people(40)[::-1], shares, seed=3).keys() == parts.keys()
    again = manifest.split(people(40)[::-1], shares, seed=3)
    assert {row["identity"] for row in again["test"]} == names["test"]
    assert {row["identity"] for row in manifest.split(people(40), shares, seed=4)["test"]} != names["test"]


def test_every_part_gets_somebody():
    parts = manifest.split(people(3), {"train": 0.98, "validation": 0.01, "test": 0.01}, seed=0)
    assert [len(rows) for rows in parts.values()] == [3, 3, 3]
    with pytest.raises(ClipError, match="2 identities for 3 parts"):
        manifest.split(people(2), {"train": 1, "validation": 1, "test": 1}, seed=0)


def test_split_command(tmp_path, capsys):
    manifest.write(tmp_path / "manifest.csv", people(10), ("file", "identity"))
    assert split.main([str(tmp_path / "manifest.csv"), "--shares", "0.5", "0", "0.5"]) == 0
    assert "train: 15 clips of 5 identities" in capsys.readouterr().out
    assert not (tmp_path / "validation.csv").exists()
    assert len(manifest.read(tmp_path / "test.csv")) == 15
    assert split.main([str(tmp_path / "nothing.csv")]) == 2


def test_the_ctc_template_is_complete_and_waits_for_files():
    path = prepare.Path(prepare.__file__).with_name("templates") / "jvet_ctc.csv"
    with path.open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert [(row["source"], row["frames"]) for row in rows] == [("VOXCELEB", "250")] * 15 + [("CFVQA", "125")] * 15
    assert {row["name"] for row in rows} == {f"{s}_{n:03}" for s in ("VOXCELEB", "CFVQA") for n in range(1, 16)}
    with pytest.raises(ClipError, match="column file"):
        manifest.clips(path)


# End to end


@pytest.mark.skipif(not (SHARED / "weights" / "blazeface.pth").exists(), reason="no weights of BlazeFace")
def test_voxceleb_from_folder_to_benchmark(tmp_path, monkeypatch):
    """A folder as VoxCeleb's, of the demo clip: prepared, split, benchmarked."""
    from eval import __main__ as entry
    from eval.rd import schedule, work

    pictures = read_clip(DEMO, 26)
    for number in (11, 12, 13):
        clip = tmp_path / "in" / "mp4" / f"id000{number}" / "5MkXgwdrmJw" / "00001.mp4"
        clip.parent.mkdir(parents=True)
        write_clip(clip, [scaled(picture, 224, 224) for picture in pictures])
        text = tmp_path / "in" / "txt" / clip.relative_to(tmp_path / "in" / "mp4").with_suffix(".txt")
        text.parent.mkdir(parents=True)
        text.write_text(METADATA.replace("id00017", f"id000{number}"))
    options = [
        "--weights-dir",
        str(SHARED / "weights"),
        "--min-s",
        "0.5",
        "--min-face-px",
        "40",
        "--layout",
        "voxceleb",
    ]
    assert run(tmp_path / "in", tmp_path / "out", *options) == 0
    rows = rows_of(tmp_path / "out" / "manifest.csv")
    assert {(row["identity"], row["reference"]) for row in rows} == {
        (f"id000{number}", "5MkXgwdrmJw") for number in (11, 12, 13)
    }
    assert all(float(row["t0"]) >= 10 for row in rows)
    with av.open(str(tmp_path / "out" / rows[0]["file"])) as container:
        assert container.streams.video[0].width == 256
    assert split.main([str(tmp_path / "out" / "manifest.csv"), "--shares", "0.34", "0.33", "0.33"]) == 0
    monkeypatch.setattr(schedule, "local", lambda tasks, jobs: ((name, work.run(task)) for name, task in tasks))
    command = ["rd", "--clips", str(tmp_path / "out" / "test.csv"), "--out", str(tmp_path / "rd"), "--frames", "4"]
    command += ["--conditions", "quick", "--anchors", "x264", "--metrics", "psnr-y", "--no-report", "-q"]
    assert entry.main(command) == 0
    measured = rows_of(tmp_path / "rd" / "points.csv")
    assert len(measured) == 3 + 4
    assert all(float(row["kbps"]) > 0 for row in measured)

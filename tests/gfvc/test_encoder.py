"""Which pictures the encoder makes key pictures, what it sends, and when."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from bitstream import Colour, KeyPicture, UnitType
from gfvc import Encoder, EncoderOptions, GfvcError, KeyCodecError, TimedPicture, VideoInfo
from gfvc.backends.choice import open_backend
from gfvc.models.families import FAMILIES
from gfvc.models.point_map import PointMap
from gfvc.models.points import index_of
from gfvc.models.store import find_weights
from gfvc.parameters import family_quantiser

from .streams import decode_stream, encode_stream, encode_units, parse_stream

families = pytest.mark.parametrize("family", sorted(FAMILIES))
CUT = 5


def key_indices(stream):
    return [index for index, picture in enumerate(parse_stream(stream)) if isinstance(picture, KeyPicture)]


def noise(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def parameter_bytes(pictures, **options):
    height, width = pictures[0].shape[:2]
    encoder = Encoder(VideoInfo(width, height, Fraction(1, 25), 1, Colour()), EncoderOptions(**options))
    for index, picture in enumerate(pictures):
        encoder.push(TimedPicture(picture, index))
    encoder.flush()
    return encoder.tally.parameter_bytes, encoder.tally.summary()


def luma_error(pictures, stream):
    """Mean square error of what a stream shows."""
    shown = [picture.rgb for picture in decode_stream(stream)]
    return float(np.mean((np.stack(shown).astype(float) - np.stack(pictures)) ** 2))


def test_registration_shows_the_motion_better(demo):
    pictures = demo[::4]
    errors = [luma_error(pictures, encode_stream(pictures, registration=way)) for way in ("auto", "off")]
    assert errors[0] < 0.9 * errors[1]


def test_dearer_bits_are_fewer(small):
    sizes = [parameter_bytes(small, lagrangian=lagrangian)[0] for lagrangian in (1e-6, 1e-3)]
    assert sizes[1] < sizes[0]


def test_models_that_know_no_person_are_not_registered(small):
    """Generation 2, whose decoder moves the picture by another formula."""
    one, other = (encode_stream(small, family="keypoints2d", registration=way) for way in ("auto", "off"))
    assert one == other


@pytest.mark.parametrize(
    "options", [{"registration": "on"}, {"lagrangian": -1.0}, {"lagrangian": float("nan")}, {"rest": -1.0}]
)
def test_options_of_registration_off_their_range_are_refused(options):
    with pytest.raises(GfvcError, match=f"--{next(iter(options))}"):
        EncoderOptions(**options)


@pytest.mark.parametrize(("interval", "expected"), [(5, [0, 5, 10]), (1, list(range(12))), (12, [0]), (None, [0])])
@pytest.mark.parametrize("refresh", ["auto", "off"])
def test_key_interval_is_honoured(small, interval, expected, refresh):
    assert key_indices(encode_stream(small, key_interval=interval, key_refresh=refresh)) == expected


@families
@pytest.mark.parametrize("second", ["inverted", "noise"])
def test_scene_cut_starts_a_group(small, family, second):
    after = [255 - small[0]] * 3 if second == "inverted" else [noise()] * 3
    pictures = [*small[:CUT], *after]
    assert key_indices(encode_stream(pictures, family=family, key_refresh="auto")) == [0, CUT]


@families
def test_scene_cut_starts_no_group_with_refresh_off(small, family):
    pictures = [*small[:CUT], *[255 - small[0]] * 3]
    assert key_indices(encode_stream(pictures, family=family, key_refresh="off")) == [0]


def test_moving_face_is_no_scene_cut(demo):
    assert key_indices(encode_stream(demo[::4], key_refresh="auto")) == [0]


def test_poor_pictures_get_a_new_key_picture_no_sooner_than_the_wait_allows(small):
    """A face dissolves so slowly into noise that no picture is a cut; the closed loop has to notice."""
    share = np.linspace(0, 1, 24)
    pictures = [((1 - s) * small[0] + s * noise()).astype(np.uint8) for s in share]
    common = {"refresh_threshold": 0.9, "refresh_gain": 0.05}
    keys = key_indices(encode_stream(pictures, refresh_wait_s=0.2, **common))
    assert len(keys) > 1
    assert min(np.diff(keys)) >= 5
    assert key_indices(encode_stream(pictures, refresh_wait_s=60.0, **common)) == [0]
    assert key_indices(encode_stream(pictures, refresh_wait_s=0.2, key_refresh="off", **common)) == [0]


def test_new_key_picture_waits_for_a_picture_that_moves(small):
    """Where all rests it would flash. The face of the test above, each picture of it three times."""
    share = np.repeat(np.linspace(0, 1, 12), 3)
    pictures = [((1 - s) * small[0] + s * noise()).astype(np.uint8) for s in share]
    keys = key_indices(encode_stream(pictures, refresh_threshold=0.9, refresh_gain=0.05, refresh_wait_s=0.2))
    assert len(keys) > 1
    assert all(index % 3 == 0 for index in keys)


def test_new_key_picture_does_not_wait_for_ever(small):
    """The second picture is poor, too soon for a key picture; then nothing moves any more."""
    pictures = [small[0], *[(0.5 * small[0] + 0.5 * noise()).astype(np.uint8)] * 20]
    options = {"refresh_threshold": 0.9, "refresh_gain": 0.05, "refresh_wait_s": 0.2}
    assert key_indices(encode_stream(pictures, **options)) == [0, 5 + 8]


@families
def test_still_input_costs_nothing(demo, family):
    """Beside one correction: the key picture's parameters are those of the decoded picture."""
    _, summary = parameter_bytes([demo[0]] * 40, family=family)
    assert summary.kbps_parameters < 0.1
    assert summary.key_pictures == 1


@families
def test_still_input_stays_still(small, family):
    shown = decode_stream(encode_stream([small[0]] * 12, family=family))
    assert len(shown) == 12
    for picture in shown[2:]:
        assert np.array_equal(picture.rgb, shown[1].rgb)


@families
def test_runs_of_a_still_input_are_a_few_bytes_each(small, family):
    """All but the first, which holds the correction: count, codeword, header and checksum."""
    units = [
        unit for unit in encode_units([small[0]] * 12, family=family, run=4)[1:] if unit[0] & 3 == UnitType.PARAMETERS
    ]
    assert len(units) == 3
    assert max(map(len, units[1:])) <= 6


def test_moving_input_costs_more_than_a_still_one(small):
    still, _ = parameter_bytes([small[0]] * 12)
    moving, _ = parameter_bytes(small)
    assert moving > 4 * still


@pytest.mark.parametrize("run", [1, 3, 16])
def test_units_come_out_when_a_run_is_full(small, run):
    options = EncoderOptions(run=run, key_refresh="off", lookahead=0)
    encoder = Encoder(VideoInfo(64, 64, Fraction(1, 25), 1, Colour()), options)
    ready = [len(encoder.push(TimedPicture(picture, index))) for index, picture in enumerate(small)]
    # Parameter sets and key picture, then a unit at the end of each run.
    assert ready == [2] + [int(index % run == 0) for index in range(1, 12)]
    assert len(encoder.flush()) == (1 if 11 % run == 0 else 2)


def test_pictures_are_decided_in_blocks(small):
    """With as many in sight behind them as a block has."""
    options = EncoderOptions(run=2, key_refresh="off", lookahead=3)
    encoder = Encoder(VideoInfo(64, 64, Fraction(1, 25), 1, Colour()), options)
    ready = [len(encoder.push(TimedPicture(picture, index))) for index, picture in enumerate(small)]
    # Six are there with the seventh picture: three are decided, and two of them fill a run.
    assert ready == [2, 0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0]
    assert len(encoder.flush()) == 4
    assert encoder.tally.summary().pictures == 12


def flicker(pictures, stream):
    """Mean change from picture to picture of what a stream shows, in the half of each that changes least."""
    changes = []
    shown = [picture.rgb for picture in decode_stream(stream)]
    for (before, after), (last, now) in zip(pairwise(pictures), pairwise(shown), strict=True):
        moves = np.abs(after.astype(float) - before).mean(-1)
        changes.append(np.abs(now.astype(float) - last).mean(-1)[moves <= np.median(moves)].mean())
    return np.mean(changes)


def test_looking_ahead_is_stiller_for_fewer_bits(demo):
    streams = [encode_stream(demo, lookahead=lookahead) for lookahead in (0, 16)]
    assert len(streams[1]) < len(streams[0])
    assert flicker(demo, streams[1]) < 0.7 * flicker(demo, streams[0])
    errors = [luma_error(demo, stream) for stream in streams]
    assert errors[1] < 1.3 * errors[0]


def test_blink_is_sent_although_it_passes(demo):
    """The lids of the clip close for four pictures: too short to be worth the bits by what the picture gains."""
    lids = index_of("right_lid_upper", "left_lid_upper"), index_of("right_lid_lower", "left_lid_lower")
    weights = find_weights()
    backend, points = open_backend(weights), PointMap(weights)

    def opening(parameters):
        places = points(parameters)[0]
        return float((places[list(lids[1]), 1] - places[list(lids[0]), 1]).mean())

    found = [opening(backend.analyse(picture)) for picture in demo]
    dequantise = family_quantiser(backend.groups).dequantise
    sent = [opening(dequantise(picture.values)) for picture in parse_stream(encode_stream(demo))]
    assert min(found) < 0.2 * found[0]
    assert min(sent) < 0.5 * sent[0]
    assert np.corrcoef(found, sent)[0, 1] > 0.7


def test_run_is_ended_by_a_key_picture(small):
    units = encode_units(small, run=16, key_interval=4)
    kinds = [unit[0] & 3 for unit in units[1:]]
    assert kinds == [1, 2, 3, 2, 3, 2, 3, 0]


@pytest.mark.parametrize("interval", [None, 5])
def test_length_of_runs_does_not_change_the_pictures(small, interval):
    streams = [encode_stream(small, run=run, key_interval=interval) for run in (1, 16)]
    assert len(streams[0]) > len(streams[1])
    for one, other in zip(*map(decode_stream, streams), strict=True):
        assert one.pts == other.pts
        assert np.array_equal(one.rgb, other.rgb)


def test_tally_counts_what_has_been_given_out(small):
    encoder = Encoder(VideoInfo(64, 64, Fraction(1, 25), 1, Colour()))
    out = encoder.header_bytes()
    for index, picture in enumerate(small):
        out += b"".join(encoder.push(TimedPicture(picture, index)))
        assert encoder.tally.size_bytes == len(out)
    out += b"".join(encoder.flush())
    assert encoder.tally.summary().size_bytes == len(out)
    assert encoder.tally.summary().pictures == 12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quantiser": 13}, r"--quantiser 13, -12\.\.12"),
        ({"dead_zone": -0.5}, r"--dead-zone -0\.5, 0\.\.8"),
        ({"dead_zone": float("nan")}, "--dead-zone nan"),
        ({"refresh_threshold": 1.5}, "--refresh-threshold"),
        ({"refresh_gain": -1}, "--refresh-gain"),
        ({"refresh_wait_s": -1}, "--refresh-wait"),
        ({"run": 0}, r"--run 0, 1\.\.256"),
        ({"lookahead": 65}, r"--lookahead 65, 0\.\.64"),
        ({"run": 257}, r"--run 257"),
        ({"key_interval": 0}, "--key-interval 0, at least 1"),
        ({"key_refresh": "sometimes"}, "'sometimes', auto or off"),
    ],
)
def test_options_off_their_range_are_refused_where_they_are_made(options, said):
    with pytest.raises(GfvcError, match=said):
        EncoderOptions(**options)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"family": "faces"}, GfvcError),
        ({"key_codec": "mpeg2"}, KeyCodecError),
        ({"key_codec": "av1", "chroma": "444"}, KeyCodecError),
        ({"chroma": "422"}, KeyCodecError),
        ({"device": "abacus"}, GfvcError),
        ({"key_codec": "hevc", "key_qp": 60}, KeyCodecError),
    ],
)
def test_options_that_do_not_fit_each_other_are_an_error_of_the_package(small, options, error):
    with pytest.raises(error):
        encode_stream(small[:1], **options)


@pytest.mark.parametrize("second", [10, 4])
def test_time_stamps_that_do_not_rise_are_refused(small, second):
    """The reader sees to it; a caller of the streaming interface can get it wrong."""
    encoder = Encoder(VideoInfo(64, 64, Fraction(1, 25), 1, Colour()), EncoderOptions(run=1))
    encoder.push(TimedPicture(small[0], 10))
    with pytest.raises(GfvcError):
        encoder.push(TimedPicture(small[1], second))

"""The report in a real browser: curves drawn, pictures loaded, the film plays, no error, nothing leaves the page."""

from __future__ import annotations

import re

import pytest

from eval import __main__ as entry
from eval.rd import schedule, work

from ..gfvc.media import DEMO, read_clip, write_clip
from . import browser

pytestmark = pytest.mark.skipif(
    browser.program() is None, reason=f"no browser ({', '.join(browser.NAMES)}) on the PATH"
)

CONDITIONS = """
name = "page"
frames = 4
[gfvc]
carriages = ["gfv"]
key_qps = { gfv = [40, 60] }
[anchors.x264]
qps = [45, 60]
half_qps = [55]
[anchors.svtav1]
qps = [60, 70]
[metrics]
names = ["psnr-yuv", "gmsd-y", "dists"]
"""
CURVES = ("gfvc-compact", "x264", "svtav1")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of a run over a small clip, open in a browser with everything unfolded."""
    folder = tmp_path_factory.mktemp("page")
    pictures = read_clip(DEMO, 8)[::2]
    write_clip(folder / "a <b>.mp4", [picture[64:192, 64:192] for picture in pictures])
    (folder / "page.toml").write_text(CONDITIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GFVC_CACHE", str(folder / "empty"))
        patch.setattr(schedule, "local", lambda tasks, jobs: ((name, work.run(task)) for name, task in tasks))
        command = [
            "rd",
            "--clips",
            str(folder),
            "--out",
            str(folder / "out"),
            "--conditions",
            str(folder / "page.toml"),
        ]
        assert entry.main([*command, "--no-fetch", "-q"]) == 0
    with browser.Browser(folder / "profile") as window:
        window.open((folder / "out" / "report.html").as_uri())
        window.evaluate("document.querySelectorAll('details').forEach(entry => entry.open = true)")
        yield window


def test_no_request_leaves_the_page(page):
    asked = [event["request"]["url"] for event in page.of("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [asked[0]]
    assert asked[0].endswith("report.html")
    text = page.evaluate("document.documentElement.outerHTML")
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text)


def test_no_error_on_the_console(page):
    found = [event["entry"] for event in page.of("Log.entryAdded")]
    assert [line["text"] for line in found if line["level"] in ("error", "warning")] == []
    assert page.of("Runtime.exceptionThrown") == []
    assert page.of("Runtime.consoleAPICalled") == []


def test_curves_are_drawn(page):
    """Each curve is a path of some length in each plot, inside its picture, and the plots are wide enough to read."""
    boxes = page.evaluate(
        "[...document.querySelectorAll('.chart svg')].map(svg => [svg.getBoundingClientRect().width,"
        " ...['gfvc-compact', 'x264', 'svtav1'].map(name => {"
        " const box = svg.querySelector(`[id='curve-${name}'] path`)?.getBoundingClientRect();"
        " return box ? Math.hypot(box.width, box.height) : 0})])"
    )
    assert len(boxes) == 2
    for width, *lengths in boxes:
        assert width > 400
        assert len(lengths) == len(CURVES)
        assert min(lengths) > 15
    assert page.evaluate("document.querySelectorAll('details svg').length") == 2


def test_pictures_are_loaded(page):
    sizes = page.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth, image.alt])")
    # The original, ours and both anchors.
    assert [size[:2] for size in sizes] == [[True, 128]] * 4
    assert "a <b>" in sizes[0][2]


def test_the_film_plays(page):
    width = page.evaluate(
        "new Promise((done, fail) => { const film = document.querySelector('video');"
        " film.onerror = () => fail(film.error.message);"
        " film.ontimeupdate = () => film.currentTime > 0 && done(film.videoWidth); film.play() })"
    )
    assert width == 4 * 128


def test_what_is_missing_is_said(page):
    text = page.evaluate("document.body.innerText")
    assert "Not measured: DISTS" in text
    assert "dists_weights.pt" in text or "vgg16-397923af.pth" in text


def test_nothing_is_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

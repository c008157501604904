"""How the map is drawn and moved, with WebGL and without, in a real browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect

from tests.support.browser import Server, growing_flow, opened, require_page, serving, usual

pytestmark = pytest.mark.integration

EVENTS = 24
#: The page is told that a graphics card draws WebGL.
CARD = """
const asked = WebGL2RenderingContext.prototype.getParameter;
WebGL2RenderingContext.prototype.getParameter = function (name) {
  return name === 0x9246 ? "A graphics card" : asked.call(this, name);
};
"""
#: There is no WebGL.
NO_WEBGL = """
const asked = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind.startsWith("webgl") ? null : asked.call(this, kind, ...more);
};
"""
#: Pictures seem to take no time, or long.
FAST = "performance.now = () => 0;"
SLOW = """
const asked = performance.now.bind(performance);
let more = 0;
performance.now = () => asked() + (more += 20);
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require_page()
    with growing_flow(tmp_path_factory.mktemp("drawing"), DRIFTLINE_SINK__EMBEDDINGS="true") as flow:
        flow.write(*[usual(minute, EVENTS) for minute in range(10)])
        with serving(flow.out) as one:
            yield one


def map_of(page: Page) -> FloatRect:
    """Where the map is, when it is drawn."""
    expect(page.locator(".replay-at")).to_contain_text(f"{EVENTS} rows")
    page.locator(".map-canvas[data-drawn=rests] canvas").wait_for()
    box = page.locator(".map-canvas").bounding_box()
    assert box
    return box


@contextmanager
def map_with(browser: Browser, server: Server, script: str, **options: Any) -> Iterator[Page]:
    """The map in a page in which ``script`` has run first."""
    with opened(browser, "about:blank", **options) as page:
        page.add_init_script(script)
        page.goto(f"{server.address}/?view=map")
        map_of(page)
        yield page


def hovered(page: Page, x: float, y: float) -> str:
    """The text of the point under the pointer; empty: there is none."""
    page.mouse.move(x - 40, y)
    page.mouse.move(x, y)
    hover = page.locator(".map-hover p").first
    if not hover.count():
        return ""
    expect(hover).not_to_have_text("…")
    return hover.inner_text()


def a_point(page: Page, box: FloatRect) -> tuple[float, float]:
    """A place on a point."""
    picture = picture_of(page.locator(".map-canvas canvas"))
    background = np.median(picture, axis=(0, 1))
    inked = (np.abs(picture - background).max(axis=2) > 40)[50:-50, 250:-250]
    for y, x in np.argwhere(inked)[:: max(1, inked.sum() // 100)].tolist():
        at = box["x"] + 250 + x, box["y"] + 50 + y
        page.mouse.move(*at)
        if page.locator(".map-hover").count():
            return at
    raise AssertionError("no point was found on the map")


def drag(page: Page, x: float, y: float, right: float, down: float) -> None:
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=6)
    page.mouse.up()


def picture_of(canvas: Locator) -> npt.NDArray[np.int16]:
    """The pixels of the map as a person sees them, as soon as they stay the same: a graphics card draws later
    than it is asked to.
    """
    seen = b""
    while (now := canvas.screenshot()) != seen:
        seen = now
        canvas.page.wait_for_timeout(1000)
    return np.asarray(Image.open(BytesIO(seen)).convert("RGB"), np.int16)


def drawn(page: Page) -> str:
    """The pixels of the map, when no gesture and no pointer is on it."""
    page.mouse.move(5, 5)
    expect(page.locator(".map-hover")).to_have_count(0)
    page.locator(".map-canvas[data-drawn=rests]").wait_for()
    return str(page.evaluate("document.querySelector('.map-canvas canvas').toDataURL()"))


def test_after_a_drag_and_a_zoom_the_point_under_the_pointer_is_the_one_that_is_hovered(
    browser: Browser, server: Server
) -> None:
    with opened(browser, f"{server.address}/?view=map") as page:
        x, y = a_point(page, map_of(page))
        text = hovered(page, x, y)
        assert "Payment" in text
        drag(page, x, y, 130, -70)
        assert hovered(page, x + 130, y - 70) == text
        page.mouse.wheel(0, -400)
        assert hovered(page, x + 130, y - 70) == text


def test_the_picture_after_a_gesture_is_the_one_of_the_view(browser: Browser, server: Server) -> None:
    with map_with(browser, server, SLOW, device_scale_factor=1.5) as page:
        box = map_of(page)
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        before = drawn(page)
        drag(page, x, y, 128, 64)
        after = drawn(page)
        assert after != before
        drag(page, x, y, -128, -64)
        assert drawn(page) == before
        page.mouse.move(x, y)
        page.mouse.wheel(0, -500)
        assert drawn(page) not in (before, after)
        page.mouse.move(x, y)
        page.mouse.wheel(0, 500)
        assert drawn(page) == before


@pytest.mark.parametrize(("script", "while_it_moves"), [(SLOW, 1.0), (FAST, 2.0)])
def test_a_slow_picture_has_fewer_pixels_while_it_moves(
    browser: Browser, server: Server, script: str, while_it_moves: float
) -> None:
    with map_with(browser, server, script, device_scale_factor=2) as page:
        box = map_of(page)
        ratio = "document.querySelector('.map-canvas canvas').width / innerWidth"
        assert page.evaluate(ratio) == 2
        page.mouse.move(box["x"] + 500, box["y"] + 200)
        page.mouse.down()
        page.mouse.move(box["x"] + 540, box["y"] + 230, steps=4)
        page.locator(".map-canvas[data-drawn=moves]").wait_for()
        assert page.evaluate(ratio) == while_it_moves
        page.mouse.up()
        page.wait_for_function(f"() => {ratio} === 2")


def test_the_keyboard_moves_and_zooms_the_map(browser: Browser, server: Server) -> None:
    with opened(browser, f"{server.address}/?view=map") as page:
        map_of(page)
        seen = [drawn(page)]
        page.locator(".map-canvas").focus()
        for there, back in (("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown"), ("+", "-")):
            page.keyboard.press(there)
            seen.append(drawn(page))
            page.keyboard.press(back)
            assert drawn(page) == seen[0]
        assert len(set(seen)) == 4


def test_the_map_looks_the_same_whoever_draws_it(browser: Browser, server: Server) -> None:
    pictures = []
    for script in (CARD, "", NO_WEBGL):
        with map_with(browser, server, script) as page:
            canvas = page.locator(".map-canvas canvas")
            kind = "webgl2" if script == CARD else "2d"
            assert canvas.evaluate("(canvas, kind) => canvas.getContext(kind) !== null", kind)
            pictures.append(picture_of(canvas))
    # The legend and the button lie over the left and the right edge.
    card, software, without = (255 - picture[:, 220:-120].min(axis=2) for picture in pictures)
    assert (software > 20).sum() > 100
    assert abs(card.sum() - software.sum()) < 0.1 * software.sum()
    assert np.abs(card - software).sum() < 0.2 * software.sum()
    assert (software == without).all()


def test_without_a_graphics_card_the_library_that_draws_with_it_is_not_loaded(
    browser: Browser, server: Server
) -> None:
    loaded = "performance.getEntriesByType('resource').some(one => /webgl/.test(one.name))"
    for script in (CARD, ""):
        with map_with(browser, server, script) as page:
            assert page.evaluate(loaded) == bool(script)


def test_a_lost_graphics_card_leaves_a_map(browser: Browser, server: Server) -> None:
    with map_with(browser, server, CARD) as page:
        page.locator(".map-canvas canvas").evaluate(
            "canvas => canvas.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()"
        )
        page.wait_for_function("() => document.querySelector('.map-canvas canvas').getContext('2d')")
        a_point(page, map_of(page))

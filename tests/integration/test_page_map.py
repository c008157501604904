"""The view "Map" in a real browser, over a flow that stores embeddings and still runs."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FloatRect, Page, expect

from tests.support.browser import (
    PHONE,
    GrowingFlow,
    Server,
    growing_flow,
    opened,
    require_page,
    serving,
    usual,
)

pytestmark = pytest.mark.integration

EVENTS = 24


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrowingFlow]:
    require_page()
    with growing_flow(tmp_path_factory.mktemp("map"), DRIFTLINE_SINK__EMBEDDINGS="true") as one:
        one.write(*[usual(minute, EVENTS) for minute in range(10)])
        yield one


@pytest.fixture(scope="module")
def server(flow: GrowingFlow) -> Iterator[Server]:
    with serving(flow.out) as one:
        yield one


def map_of(page: Page) -> FloatRect:
    """Where the map is, when it is drawn."""
    page.locator(".map-canvas canvas").wait_for()
    expect(page.locator(".replay-at")).to_contain_text(f"{EVENTS} rows")
    box = page.locator(".map-canvas").bounding_box()
    assert box
    return box


def draw_around(page: Page, box: FloatRect, inset: float) -> None:
    left, top = box["x"] + inset, box["y"] + inset
    right, bottom = box["x"] + box["width"] - inset, box["y"] + box["height"] - inset
    page.get_by_role("button", name="Lasso").click()
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top + 9)):
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def test_the_lasso_selects_into_the_table(browser: Browser, server: Server) -> None:
    with opened(browser, f"{server.address}/?view=map") as page:
        draw_around(page, map_of(page), 8)
        grid = page.get_by_role("grid", name="Scored events")
        expect(grid).to_have_attribute("aria-rowcount", str(EVENTS + 1))
        assert "selection=" in page.url
        page.get_by_role("link", name="Live").click()
        expect(grid).to_have_attribute("aria-rowcount", str(EVENTS + 1))
        page.get_by_role("button", name="Remove the filter: selection").click()
        page.get_by_role("button", name="Remove the filter: window").click()
        expect(grid).not_to_have_attribute("aria-rowcount", str(EVENTS + 1))


def test_a_point_shows_its_text_and_opens_its_event(browser: Browser, server: Server) -> None:
    with opened(browser, f"{server.address}/?view=map") as page:
        box = map_of(page)
        hover = page.locator(".map-hover")
        # The points lie somewhere: look for one, row by row.
        spots = [
            (box["x"] + 14 * i, box["y"] + 14 * j)
            for j in range(1, int(box["height"]) // 14)
            for i in range(1, int(box["width"]) // 14)
        ]
        for x, y in spots:
            page.mouse.move(x, y)
            if hover.count():
                page.mouse.click(x, y)
                break
        expect(page.get_by_role("complementary", name="Event")).to_contain_text("Payment")


def test_the_slider_replays_the_windows(browser: Browser, server: Server) -> None:
    with opened(browser, f"{server.address}/?view=map") as page:
        map_of(page)
        slider = page.get_by_role("slider", name="Window")
        newest = slider.get_attribute("max")
        expect(slider).to_have_value(str(newest))
        slider.focus()
        page.keyboard.press("Home")
        expect(page.locator(".replay-at")).to_contain_text("09:00:00")
        assert "window=2026-03-02T08%3A00%3A00Z" in page.url
        page.get_by_role("button", name="Play").click()
        expect(page.locator(".replay-at")).to_contain_text("09:02:00")
        page.get_by_role("button", name="Pause").click()


def test_new_windows_come_into_the_map(browser: Browser, server: Server, flow: GrowingFlow) -> None:
    with opened(browser, f"{server.address}/?view=map") as page:
        map_of(page)
        slider = page.get_by_role("slider", name="Window")
        before = int(slider.get_attribute("max") or 0)
        flow.write(usual(10, EVENTS), usual(11, EVENTS))
        page.wait_for_function("n => Number(document.querySelector('.replay input')?.max) > n", arg=before)


def test_the_map_fits_a_phone(browser: Browser, server: Server) -> None:
    with opened(browser, f"{server.address}/?view=map", viewport=PHONE, has_touch=True) as page:
        box = map_of(page)
        assert box["width"] == PHONE["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_without_embeddings_there_is_no_map_and_the_page_says_what_stores_them(
    browser: Browser, flow: GrowingFlow, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("plain") / "scores.jsonl"
    lines = (flow.out / "scores.jsonl").read_text().splitlines()
    plain = [line.partition(',"embedding"')[0].rstrip("}") + "}" for line in lines]
    out.write_text("".join(line + "\n" for line in plain))
    with serving(out) as server, opened(browser, server.address) as page:
        page.locator(".body").first.wait_for()
        expect(page.get_by_role("link", name="Map")).to_have_count(0)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("sink.embeddings")
        page.goto(f"{server.address}/?view=map")
        expect(page.locator("main")).to_contain_text("sink.embeddings")

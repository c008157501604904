"""How the page looks and reads: hostile texts, dark and light, a phone, a screen reader."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import (
    AXE,
    PHONE,
    GrowingFlow,
    Server,
    growing_flow,
    opened,
    require_page,
    serving,
    usual,
)
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

HTML = "<img src=x onerror=alert(1)><script>alert(2)</script><b>bold</b>"
ANSI = "\x1b[31mred alert\x1b[0m and a bell \x07"
BIDI = "refund \u202etxt.exe\u202c for \u2066user\u2069"
RIGHT_TO_LEFT = "تم رفض الدفع 42"
LONG = "long " + "x" * 1_000_000
HOSTILE = [HTML, ANSI, BIDI, RIGHT_TO_LEFT, LONG]
VIEWS = [
    "",
    "?sort=anomaly&event=m12-20&event_key=a",
    "?view=incidents",
    "?view=time",
    "?view=map",
    "?view=health",
    "?view=compare",
]
#: Of the metrics of the flow.
PORT = free_port()


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrowingFlow]:
    require_page()
    folder = tmp_path_factory.mktemp("looks")
    more = {
        "DRIFTLINE_SINK__EMBEDDINGS": "true",
        "BYTEWAX_DATAFLOW_API_CACHE_PATH": str(folder),
        "BYTEWAX_DATAFLOW_API_ENABLED": "1",
        "BYTEWAX_DATAFLOW_API_PORT": str(PORT),
    }
    with growing_flow(folder, **more) as one:
        one.write(*[usual(minute) for minute in range(12)])
        one.write([*usual(12), *HOSTILE], usual(13), usual(14))
        yield one


@pytest.fixture(scope="module")
def server(flow: GrowingFlow) -> Iterator[Server]:
    metrics = f"http://127.0.0.1:{PORT}/metrics"
    more = ("--marks", str(flow.marks), "--compare", str(flow.out), "--metrics", metrics)
    with serving(flow.out, *more) as one:
        yield one


def ready(page: Page) -> None:
    shown = ".body .text, a.incident, .uplot, .map canvas, .health .card, .compare .part, .notice h2"
    page.locator(shown).first.wait_for()
    expect(page.get_by_text("Reading the")).to_have_count(0)
    expect(page.locator(".pending")).to_have_count(0)


def open_event(page: Page, server: Server, text: str) -> Any:
    page.goto(f"{server.address}/?sort=anomaly")
    page.locator(".body", has_text=text).first.click()
    return page.get_by_role("complementary", name="Event")


def test_html_is_shown_as_text(browser: Browser, server: Server) -> None:
    with opened(browser, server.address) as page:
        panel = open_event(page, server, "onerror")
        expect(panel.locator(".full-text")).to_contain_text(HTML)
        assert page.locator("main img, main script, main b:has-text('bold')").count() == 0


@pytest.mark.parametrize(
    ("text", "seen"),
    [("red alert", ["ESC", "BEL"]), ("refund", ["U+202E", "U+202C", "U+2066", "U+2069"])],
)
def test_hidden_characters_are_made_visible(
    browser: Browser, server: Server, text: str, seen: list[str]
) -> None:
    with opened(browser, server.address) as page:
        panel = open_event(page, server, text)
        expect(panel.locator(".full-text .control").first).to_be_visible()
        assert set(panel.locator(".full-text .control").all_inner_texts()) == set(seen)
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", page.locator("main").inner_text()
        )


def test_a_text_that_runs_from_right_to_left_turns_nothing_else(browser: Browser, server: Server) -> None:
    with opened(browser, server.address) as page:
        open_event(page, server, "تم").locator(".full-text").wait_for()
        styles = page.eval_on_selector_all(
            ".stream-text", "all => all.map(one => [one.tagName, getComputedStyle(one).unicodeBidi])"
        )
        assert {(tag, bidi) for tag, bidi in styles} == {("BDI", "isolate")}


def test_a_text_of_a_megabyte_is_bounded(browser: Browser, server: Server) -> None:
    with opened(browser, server.address) as page:
        panel = open_event(page, server, "long xxx")
        expect(panel.locator(".full-text")).to_contain_text("Show the first 100,000 characters")
        assert len(page.locator("main").inner_text()) < 20_000
        panel.get_by_role("button", name="Show the first").click()
        expect(panel).to_contain_text("100,000 of 1,000,005 characters are shown.")
        box = panel.locator(".full-text p").first.bounding_box()
        assert box
        assert box["height"] <= page.evaluate("innerHeight") / 2


#: The serious violations alone. To read all that axe says of a page takes Playwright seconds.
SERIOUS = """async () => {
    const { violations } = await axe.run({ resultTypes: ["violations"] });
    const serious = violations.filter(one => ["serious", "critical"].includes(one.impact));
    return serious.map(one => [one.id, one.nodes.slice(0, 3).map(node => [node.html, node.failureSummary])]);
}"""


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", [None, PHONE])
def test_axe_finds_nothing_serious(
    browser: Browser, server: Server, view: str, size: dict[str, int] | None
) -> None:
    if not AXE.exists():
        pytest.skip(f"{AXE} is missing: run `npm ci` in dashboard/page")
    options: dict[str, Any] = {"reduced_motion": "reduce"} | ({"viewport": size} if size else {})
    with opened(browser, f"{server.address}/{view}", bypass_csp=True, **options) as page:
        ready(page)
        page.add_script_tag(path=AXE)
        brightness = background(page)
        assert page.evaluate(SERIOUS) == []
        page.emulate_media(color_scheme="dark")
        assert background(page) < brightness
        ready(page)
        assert page.evaluate(SERIOUS) == []


def background(page: Page) -> int:
    """The brightness of the page's background, from 0 to 765."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_the_theme_follows_the_system_until_it_is_chosen(browser: Browser, server: Server) -> None:
    with opened(browser, server.address, color_scheme="dark") as page:
        ready(page)
        assert background(page) < 150
        page.emulate_media(color_scheme="light")
        assert background(page) > 600
        switch = page.get_by_role("button", name="Colours")
        for _ in ("light", "dark"):
            switch.click()
        expect(switch).to_have_attribute("aria-label", "Colours: dark")
        assert background(page) < 150
        page.reload()
        assert background(page) < 150
        assert "theme" not in page.url


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_a_phone(browser: Browser, server: Server, view: str) -> None:
    with opened(browser, f"{server.address}/{view}", viewport=PHONE, has_touch=True) as page:
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        wide = page.evaluate(
            "[...document.querySelectorAll('main button, main a, main input, main select, main .text')]"
            ".filter(one => one.getBoundingClientRect().right > innerWidth + 1)"
            ".filter(one => !one.closest('.scroll-x, .unseen')).map(one => one.outerHTML.slice(0, 200))"
        )
        assert wide == []


def test_on_a_phone_an_event_is_a_full_sheet(browser: Browser, server: Server) -> None:
    with opened(browser, server.address, viewport=PHONE, has_touch=True) as page:
        page.locator(".body").first.tap()
        panel = page.get_by_role("complementary", name="Event")
        expect(panel).to_contain_text("window")
        assert panel.bounding_box() == {"x": 0, "y": 0, **PHONE}
        panel.get_by_role("button", name="Close").tap()
        expect(panel).to_have_count(0)

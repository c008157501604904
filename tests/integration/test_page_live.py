"""The view "Live" in a real browser, over a flow that is still running."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import (
    GrowingFlow,
    Server,
    growing_flow,
    opened,
    require_page,
    serving,
    usual,
)

pytestmark = pytest.mark.integration

ODD = "Disk /dev/sda1 is read-only"


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrowingFlow]:
    require_page()
    with growing_flow(tmp_path_factory.mktemp("live")) as one:
        one.write(*[usual(minute) for minute in range(12)])
        one.write([*usual(12), ODD], usual(13), usual(14))
        yield one


@pytest.fixture(scope="module")
def server(flow: GrowingFlow) -> Iterator[Server]:
    with serving(flow.out) as one:
        yield one


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with opened(browser, server.address) as one:
        one.locator("[role=row] [role=gridcell].text").first.wait_for()
        yield one


def texts(page: Page) -> list[str]:
    return page.locator(".body .cell.text").all_inner_texts()


def numbers(page: Page, column: str) -> list[float]:
    shown = page.locator(f".body .cell.{column}").all_inner_texts()
    return [float(text) for text in shown if text not in ("", "–")]


def rows_of(page: Page) -> int:
    return int(page.get_by_role("grid").get_attribute("aria-rowcount") or 0) - 1


def sort_by(page: Page, name: str, way: str) -> None:
    head = page.get_by_role("grid").get_by_role("columnheader", name=name)
    # The first click may sort the other way round.
    head.get_by_role("button").click()
    if head.get_attribute("aria-sort") != way:
        head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", way)
    expect(page.get_by_role("grid")).to_have_attribute("aria-busy", "false")


@pytest.mark.parametrize(("way", "falls"), [("descending", True), ("ascending", False)])
def test_a_click_on_a_head_sorts_all_rows(page: Page, way: str, falls: bool) -> None:
    sort_by(page, "Score", way)
    page.wait_for_function("() => document.querySelectorAll('.body .cell.score').length > 10")
    shown = numbers(page, "score")
    assert shown == sorted(shown, reverse=falls)
    assert f"sort=score{'&order=asc' if not falls else ''}" in page.url


def test_a_search_leaves_what_has_the_text(page: Page, server: Server) -> None:
    page.keyboard.press("/")
    page.keyboard.type("READ-ONLY")
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "2")
    assert texts(page) == [ODD]
    assert "text=READ-ONLY" in page.url
    page.reload()
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "2")
    expect(page.locator("#search")).to_have_value("READ-ONLY")


def test_an_address_keeps_the_whole_view(page: Page, browser: Browser) -> None:
    sort_by(page, "Anomaly", "descending")
    page.locator(".body", has_text=ODD).click()
    expect(page.get_by_role("complementary", name="Event")).to_contain_text(ODD)
    with opened(browser, page.url) as other:
        expect(other.get_by_role("complementary", name="Event")).to_contain_text(ODD)
        expect(other.get_by_role("grid").get_by_role("columnheader", name="Anomaly")).to_have_attribute(
            "aria-sort", "descending"
        )


def test_an_event_opens_to_its_scores_and_attributes(page: Page) -> None:
    page.goto(page.url.split("?")[0] + "?sort=anomaly")
    page.locator(".body", has_text=ODD).click()
    panel = page.get_by_role("complementary", name="Event")
    expect(panel).to_contain_text("Why it is unusual")
    expect(panel).to_contain_text("checkout")
    # 08:12 UTC, in the zone of the reader.
    expect(panel.locator(".windows")).to_contain_text("09:12–09:13")
    page.keyboard.press("t")
    expect(panel.locator(".windows")).to_contain_text("08:12–08:13")


def test_the_keyboard_is_enough(page: Page) -> None:
    page.get_by_role("grid").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    active = page.locator(".body.active")
    expect(active).to_have_attribute("id", "row-2")
    expect(page.get_by_role("grid")).to_have_attribute("aria-activedescendant", "row-2")
    text = active.locator(".text").inner_text()
    page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name="Event")
    expect(panel).to_contain_text(text)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(panel).to_contain_text(page.locator(".body.active .text").inner_text())
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    page.keyboard.press("End")
    expect(page.locator(".body.active")).to_have_attribute("id", f"row-{rows_of(page) - 1}")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_an_update_keeps_scroll_selection_and_cursor(page: Page, flow: GrowingFlow) -> None:
    grid = page.get_by_role("grid")
    page.locator("#search").fill("Payment")
    page.wait_for_url("**text=Payment")
    expect(grid).to_have_attribute("aria-busy", "false")
    grid.evaluate("grid => { grid.scrollTop = 1507; }")
    page.wait_for_function("() => document.querySelector('#row-55 .text')?.innerText.startsWith('Payment')")
    page.locator("#row-55").click()
    page.locator("#search").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    before, seen = rows_of(page), _in_view(page)
    # Two windows close. The page may show them one after the other.
    flow.write(usual(15), usual(16))
    new = 2 * len(usual(15))
    expect(page.get_by_role("button", name="new")).to_have_text(f"↑ {new} new")
    assert rows_of(page) == before + new
    assert _in_view(page) == seen
    assert page.locator(".body.opened").get_attribute("id") == f"row-{55 + new}"
    assert page.evaluate("document.activeElement.id") == "search"
    assert page.evaluate("document.activeElement.selectionStart") == len("Payment") - 2
    page.get_by_role("button", name="new").click()
    expect(page.locator("#row-0")).to_be_in_viewport()
    expect(page.get_by_role("button", name="new")).to_have_count(0)


def _in_view(page: Page) -> list[tuple[str, int]]:
    """Time and place on the screen of each row that can be seen."""
    return [
        (str(time), int(top))
        for time, top in page.evaluate(
            "[...document.querySelectorAll('.body')].map(row => [row.querySelector('time').dateTime"
            " + row.querySelector('.text').innerText, Math.round(row.getBoundingClientRect().top)])"
            ".filter(([, top]) => top > 140 && top < 860).sort((a, b) => a[1] - b[1])"
        )
    ]


def test_a_reader_at_the_top_sees_new_rows_at_once(page: Page, flow: GrowingFlow) -> None:
    before = rows_of(page)
    flow.write(usual(17), usual(18))
    page.wait_for_function(
        "n => Number(document.querySelector('[role=grid]')?.ariaRowCount) - 1 > n", arg=before
    )
    expect(page.get_by_role("button", name="new")).to_have_count(0)


def test_the_page_connects_again_after_the_server_was_killed(
    page: Page, flow: GrowingFlow, server: Server
) -> None:
    page.get_by_role("grid").evaluate("grid => { grid.scrollTop = 1507; }")
    page.wait_for_function("() => document.querySelector('#row-55 .text')?.innerText.startsWith('Payment')")
    before, seen = rows_of(page), _in_view(page)
    server.kill()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    assert texts(page)
    flow.write(usual(19), usual(20))
    server.start_again()
    expect(page.get_by_role("alert")).to_have_count(0)
    page.wait_for_function(
        "n => Number(document.querySelector('[role=grid]')?.ariaRowCount) - 1 > n", arg=before
    )
    assert _in_view(page) == seen

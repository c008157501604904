"""The view "Incidents" in a real browser: a mark is written where the running flow reads it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import (
    GrowingFlow,
    Server,
    chromium,
    growing_flow,
    opened,
    require_page,
    serving,
    usual,
)
from tests.support.flows import rows
from tests.support.processes import wait_until

pytestmark = pytest.mark.integration

BACKUP = ["Backup of db1 failed"] * 6


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrowingFlow]:
    require_page()
    with growing_flow(tmp_path_factory.mktemp("incidents")) as one:
        one.write(*[usual(minute) for minute in range(20)])
        one.write([*usual(20), *BACKUP], usual(21), usual(22), usual(23))
        wait_until((one.out / "alerts.jsonl").exists, *one.processes)
        yield one


@pytest.fixture(scope="module")
def server(flow: GrowingFlow) -> Iterator[Server]:
    with serving(flow.out, "--marks", str(flow.marks)) as one:
        yield one


def opened_by(flow: GrowingFlow) -> list[str]:
    alerts: Path = flow.out / "alerts.jsonl"
    found = rows(alerts)
    return [str(row["incident"]) for row in found if row["state"] == "open" and row["kind"] == "events"]


def test_a_mark_is_written_and_the_flow_keeps_quiet(
    browser: Browser, flow: GrowingFlow, server: Server
) -> None:
    before = opened_by(flow)
    assert before
    with opened(browser, f"{server.address}/?view=incidents") as page:
        page.locator("a.incident", has_text="Backup of db1").click()
        panel = page.get_by_role("complementary", name="Incident")
        expect(panel).to_contain_text("Examples, and what is nearest to them")
        panel.get_by_role("button", name="Expected").click()
        panel.get_by_label("Note").fill("tested by Ana")
        panel.get_by_label("By").fill("ana")
        panel.get_by_role("button", name="Save the mark").click()
        expect(panel).to_contain_text("Saved.")
        expect(page.locator("a.incident", has_text="Backup of db1").locator(".mark")).to_have_text("expected")
        expect(page.locator(".precision-share")).to_have_text("Precision 0 %")
        lines = [json.loads(line) for line in flow.marks.read_text().splitlines()]
        assert {line["mark"] for line in lines} == {"expected"}
        assert {line["note"] for line in lines} == {"tested by Ana"}
        # A reader who comes later sees the same.
        page.reload()
        expect(page.locator(".precision-said")).to_contain_text("1 expected")
    flow.write([*usual(24), *BACKUP], usual(25), usual(26), usual(27))
    assert opened_by(flow) == before
    with opened(browser, f"{server.address}/?view=incidents&mark=expected") as page:
        page.locator("a.incident").click()
        page.get_by_role("button", name="No mark").click()
        page.get_by_role("button", name="Save the mark").click()
        expect(page.get_by_text("No incident passes the filters")).to_be_visible()
    flow.write([*usual(28), *BACKUP], usual(29), usual(30), usual(31))
    wait_until(lambda: len(opened_by(flow)) > len(before), *flow.processes)


def test_the_arrow_keys_walk_the_list_and_enter_opens(browser: Browser, server: Server) -> None:
    with opened(browser, f"{server.address}/?view=incidents") as page:
        page.locator("a.incident").first.focus()
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        expect(page.get_by_role("complementary", name="Incident")).to_be_visible()
        assert "open=" in page.url
        page.keyboard.press("Escape")
        expect(page.get_by_role("complementary", name="Incident")).to_have_count(0)


def test_without_a_file_of_marks_the_page_says_what_to_do(browser: Browser, flow: GrowingFlow) -> None:
    with serving(flow.out) as server, opened(browser, f"{server.address}/?view=incidents") as page:
        page.locator("a.incident", has_text="Backup of db1").first.click()
        expect(page.get_by_role("complementary", name="Incident")).to_contain_text("--marks")

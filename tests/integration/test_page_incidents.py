"""The views "Incidents", "Compare" and "Health" in a real browser, over a flow that is still running."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import (
    GrowingFlow,
    Server,
    growing_flow,
    opened,
    require_page,
    serving,
    usual,
)
from tests.support.flows import rows
from tests.support.ports import free_port
from tests.support.processes import wait_until

pytestmark = pytest.mark.integration

BACKUP = ["Backup of db1 failed"] * 6


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrowingFlow]:
    require_page()
    folder, port = tmp_path_factory.mktemp("incidents"), free_port()
    metrics = {
        "BYTEWAX_DATAFLOW_API_ENABLED": "1",
        "BYTEWAX_DATAFLOW_API_PORT": str(port),
        "BYTEWAX_DATAFLOW_API_CACHE_PATH": str(folder),
    }
    with growing_flow(folder, **metrics) as one:
        one.write(*[usual(minute) for minute in range(20)])
        one.write([*usual(20), *BACKUP], usual(21), usual(22), usual(23))
        one.write([*usual(24), *["Disk of db2 is full"] * 6], usual(25), usual(26), usual(27))
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
        assert page.locator("a.incident").count() > 1
        page.keyboard.press("End")
        expect(page.locator("a.incident").last).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("complementary", name="Incident")).to_be_visible()
        assert "open=" in page.url
        page.keyboard.press("Escape")
        expect(page.get_by_role("complementary", name="Incident")).to_have_count(0)


def test_without_a_file_of_marks_the_page_says_what_to_do(browser: Browser, flow: GrowingFlow) -> None:
    with serving(flow.out) as server, opened(browser, f"{server.address}/?view=incidents") as page:
        page.locator("a.incident", has_text="Backup of db1").first.click()
        expect(page.get_by_role("complementary", name="Incident")).to_contain_text("--marks")


def test_an_incident_shows_all_its_events_and_an_event_names_its_incident(
    browser: Browser, flow: GrowingFlow
) -> None:
    """The alerts show three examples of the six equal texts, and name all events."""
    with serving(flow.out) as server, opened(browser, f"{server.address}/?view=incidents") as page:
        page.locator("a.incident", has_text="Disk of db2").first.click()
        page.get_by_role("button", name="Show its events").click()
        expect(page.locator(".body .text", has_text="Disk of db2 is full")).to_have_count(6)
        expect(page.locator(".body")).to_have_count(6)
        page.locator(".body").first.click()
        panel = page.get_by_role("complementary", name="Event")
        expect(panel).to_contain_text(f"partition {flow.folder}/app.jsonl, offset")
        panel.get_by_role("link", name="incident").click()
        expect(page.get_by_role("complementary", name="Incident")).to_contain_text("Disk of db2 is full")


def test_the_budget_stands_beside_the_new_incidents_of_a_day(browser: Browser, flow: GrowingFlow) -> None:
    with serving(flow.out) as server, opened(browser, f"{server.address}/?view=time") as page:
        budget = page.locator(".chart-panel", has_text="Budget")
        expect(budget.locator("canvas")).to_be_visible()
        said = server.get("/api/time")["budget"]
        assert said["realised"][-1] == len(opened_by(flow))
        expect(budget).to_contain_text(f"{said['realised'][-1]} new incidents in the last 24 hours")
    scores = f"scores={flow.out}/scores.jsonl"
    with serving(Path(scores)) as server, opened(browser, f"{server.address}/?view=time") as page:
        budget = page.locator(".chart-panel", has_text="Budget")
        expect(budget).to_contain_text("Write them with sink.alerts")
        expect(budget.locator("canvas")).to_have_count(0)


def test_latency_needs_the_metrics_of_the_flow(browser: Browser, flow: GrowingFlow) -> None:
    with serving(flow.out) as server, opened(browser, f"{server.address}/?view=time") as page:
        latency = page.locator(".chart-panel", has_text="Latency")
        expect(latency).to_contain_text("--metrics http://HOST:3030/metrics")
    port = flow.environment["BYTEWAX_DATAFLOW_API_PORT"]
    metrics = f"http://127.0.0.1:{port}/metrics"
    with (
        serving(flow.out, "--metrics", metrics) as server,
        opened(browser, f"{server.address}/?view=time") as page,
    ):
        latency = page.locator(".chart-panel", has_text="from the end of a window")
        wait_until(lambda: len(server.get("/api/metrics")["times"]) > 0)
        flow.write(usual(50), usual(51))

        def is_measured() -> bool:
            return any(each is not None for each in server.get("/api/metrics")["latency"]["flow"]["p50"])

        wait_until(is_measured, *flow.processes)
        expect(latency.locator("canvas")).to_be_visible()
        expect(page.locator(".chart-panel", has_text="Rates").locator("canvas")).to_be_visible()


def test_incidents_that_only_one_output_has_are_told_apart(
    browser: Browser, flow: GrowingFlow, tmp_path: Path
) -> None:
    other = tmp_path / "out"
    other.mkdir()
    (other / "scores.jsonl").write_text((flow.out / "scores.jsonl").read_text())
    backups = [line for line in rows(flow.out / "alerts.jsonl") if line["incident"] != opened_by(flow)[0]]
    (other / "alerts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in backups))
    with (
        serving(flow.out, "--compare", str(other)) as server,
        opened(browser, f"{server.address}/?view=compare") as page,
    ):
        alone = page.locator(".part", has_text="Only in A")
        expect(alone.locator("li")).to_have_count(1)
        expect(alone).to_contain_text("Backup of db1 failed")
        expect(page.locator(".part", has_text="Only in B")).to_contain_text("no incident")
        # The scores are the same, so no row changes its rank.
        expect(page.locator(".part", has_text="Ranks").locator("tbody tr").first).to_contain_text("=")
        expect(page.locator(".moved, .only")).to_have_count(0)


def test_the_health_of_the_flow_is_read_again_and_again(browser: Browser, flow: GrowingFlow) -> None:
    port = flow.environment["BYTEWAX_DATAFLOW_API_PORT"]
    with (
        serving(flow.out, "--metrics", f"http://127.0.0.1:{port}/metrics") as server,
        opened(browser, f"{server.address}/?view=health") as page,
    ):
        line = page.locator(".card", has_text="Source").locator("tr", has_text="records").first
        expect(line).to_be_visible()
        before = line.inner_text()
        flow.write(usual(40), usual(41))
        expect(line).not_to_have_text(before, use_inner_text=True)

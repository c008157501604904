"""A real Prometheus scrapes a real flow and a real Triton: alerts and dashboard find all their series."""

import json
import math
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from export.serve.sidecar import Sidecar
from tests.support import monitoring
from tests.support.flows import environment
from tests.support.ports import free_port
from tests.support.webhooks import Receiver

pytestmark = pytest.mark.integration

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
#: Series that this flow has not: of Kafka (see test_kafka.py), of Delta Lake, of failed requests, of a GPU.
ABSENT = (
    "driftline_source_lag_messages",
    "driftline_source_lag_versions",
    "driftline_embed_request_failures_total",
    "nv_gpu_",
)


def write_stream(path: Path, events: int = 20_000) -> None:
    """Write more events than the model can embed during a test.

    Every 10th text comes twice, every 50th event is late for some or all windows, every 70th is no JSON.
    """
    with path.open("w") as file:
        for n in range(events):
            ts = START + timedelta(seconds=n - (n % 50 == 49) * (30 if n % 100 == 49 else 300))
            event = {
                "ts": ts.isoformat(),
                "host": f"h{n % 3}",
                "text": f"message {n - n % 10 // 9} of a stream",
            }
            file.write(("no JSON" if n % 70 == 69 else json.dumps(event)) + "\n")


@pytest.fixture(scope="module")
def program() -> str:
    return monitoring.program("prometheus")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def dataflow(
    program: str, triton: Sidecar, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """A flow that runs longer than the tests, and posts alerts; the port of its metrics."""
    folder, port = tmp_path_factory.mktemp("dataflow"), free_port()
    write_stream(folder / "events.jsonl")
    env = environment(
        folder,
        DRIFTLINE_SOURCE__ID_FIELD="ts",
        DRIFTLINE_SOURCE__BATCH_ROWS="32",
        DRIFTLINE_EMBED__KIND="triton",
        DRIFTLINE_EMBED__DIM="384",
        DRIFTLINE_EMBED__URL=triton.url,
        DRIFTLINE_WINDOW__LENGTH="60s",
        DRIFTLINE_WINDOW__SLIDE="30s",
        DRIFTLINE_WINDOW__DELAY="5s",
        DRIFTLINE_WINDOW__ALLOWED_LATENESS="60s",
        DRIFTLINE_SCORE__REFERENCE_LEAST="20",
        DRIFTLINE_ALERT__ALPHA="0.5",
        DRIFTLINE_ALERT__LEAST_ANOMALY="0.1",
        DRIFTLINE_ALERT__HISTORY="0s",
        DRIFTLINE_SINK__ALERTS=receiver.uri,
        DRIFTLINE_WEBHOOK__SPOOL=str(folder / "spool"),
        BYTEWAX_DATAFLOW_API_ENABLED="1",
        BYTEWAX_DATAFLOW_API_PORT=str(port),
        BYTEWAX_DATAFLOW_API_CACHE_PATH=str(folder),
    )
    command = [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow", "-s", "1", "-w", "2"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    yield port
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def prometheus(
    program: str, triton: Sidecar, dataflow: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server that scrapes every second; the URL of its API."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    targets = {"driftline": dataflow, "triton": triton.metrics_port}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(monitoring.RULES)],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for name, port in targets.items()
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    command = [
        program,
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    yield f"http://127.0.0.1:{port}/api/v1"
    process.terminate()
    process.wait()


def ask(url: str) -> Any:
    """The data that Prometheus answers; none while Prometheus starts. A wrong query is an error."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        if error.code == 503:
            return {}
        raise AssertionError(f"{url}: {error.read().decode()}") from None
    except OSError:  # also a timeout
        return {}


def without_data(api: str) -> list[tuple[str, str]]:
    """The queries of the dashboard, and the series of the alerts, that find nothing now."""
    missing = []
    for title, query in (*monitoring.queries(), *monitoring.selectors()):
        data = ask(f"{api}/query?" + urllib.parse.urlencode({"query": query}))
        values = [float(series["value"][1]) for series in data.get("result", ())]
        if not any(map(math.isfinite, values)) and not any(name in query for name in ABSENT):
            missing.append((title, query))
    return missing


def eventually(holds: Callable[[], bool]) -> None:
    """Return when it holds. pytest-timeout ends the test if it never holds."""
    while not holds():
        time.sleep(1)


def test_dashboard_and_alerts_find_data(prometheus: str) -> None:
    def all_found() -> bool:
        print(missing := without_data(prometheus))
        return not missing

    eventually(all_found)


def test_the_rules_are_evaluated(prometheus: str) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in ask(f"{prometheus}/rules").get("groups", ()) for rule in group["rules"]]

    eventually(lambda: bool(rules()) and all(rule["health"] != "unknown" for rule in rules()))
    assert [rule["name"] for rule in rules()] == [rule["alert"] for rule in monitoring.rules()]
    assert {rule["name"]: rule.get("lastError") for rule in rules() if rule["health"] != "ok"} == {}

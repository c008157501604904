"""Alerts fire when they should, and they and the dashboard read metrics that there are."""

import re
import subprocess

import pytest
import yaml

from tests.support import monitoring
from tests.support.monitoring import ALERTS, COMPONENT, declared
from tests.support.paths import ROOT

TESTS = ROOT / "tests" / "unit" / "k8s" / "alerts.yaml"
KNOWN = {name for name, _, _ in declared()} | monitoring.metrics_of_others()
USED = [
    *((rule["alert"], rule["expr"]) for rule in monitoring.rules()),
    *monitoring.queries(),
]


def test_the_operator_s_rules_are_the_plain_ones() -> None:
    custom = yaml.safe_load((COMPONENT / "prometheusrule.yaml").read_text())
    assert custom["spec"] == yaml.safe_load(monitoring.RULES.read_text())


def metrics_of(query: str) -> set[str]:
    """The metrics that a query reads: of a histogram, the metric that its series belong to."""
    bases = {name: re.sub("_(bucket|sum|count)$", "", name) for name in monitoring.series_of(query)}
    return {name if name in KNOWN else base for name, base in bases.items()}


@pytest.mark.parametrize(("title", "query"), USED, ids=[f"{i}-{title}" for i, (title, _) in enumerate(USED)])
def test_queries_read_metrics_that_there_are(title: str, query: str) -> None:
    assert metrics_of(query)
    assert metrics_of(query) <= KNOWN


def test_the_dashboard_shows_every_metric() -> None:
    assert set().union(*(metrics_of(query) for _, query in monitoring.queries())) == KNOWN


def test_every_alert_says_what_to_do() -> None:
    headings = re.findall(r"^### (\w+)$", ALERTS, re.MULTILINE)
    assert headings == [rule["alert"] for rule in monitoring.rules()]
    assert set(re.findall(r"Driftline[A-Z]\w+", ALERTS)) <= set(headings)


def test_alerts_fire_when_they_should() -> None:
    command = [monitoring.program("promtool"), "test", "rules", str(TESTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_to_fire() -> None:
    groups = yaml.safe_load(TESTS.read_text())["tests"]
    fired = {
        test["alertname"]
        for group in groups
        for test in group.get("alert_rule_test", ())
        if test["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in monitoring.rules()}

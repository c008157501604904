"""Alerts fire when they should; alerts and dashboard read metrics that exist."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

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


def test_the_rules_of_the_operator_are_the_plain_rules() -> None:
    custom = yaml.safe_load((COMPONENT / "prometheusrule.yaml").read_text())
    assert custom["spec"] == yaml.safe_load(monitoring.RULES.read_text())


def metrics_of(query: str) -> set[str]:
    """The metrics that a query reads. Several series belong to one histogram."""
    bases = {name: re.sub("_(bucket|sum|count)$", "", name) for name in monitoring.series_of(query)}
    return {name if name in KNOWN else base for name, base in bases.items()}


@pytest.mark.parametrize(("title", "query"), USED, ids=[f"{i}-{title}" for i, (title, _) in enumerate(USED)])
def test_queries_read_metrics_that_exist(title: str, query: str) -> None:
    assert metrics_of(query)
    assert metrics_of(query) <= KNOWN


def test_the_dashboard_shows_every_metric() -> None:
    assert set().union(*(metrics_of(query) for _, query in monitoring.queries())) == KNOWN


def test_every_panel_has_a_title_of_its_own_and_a_description() -> None:
    panels = [
        panel
        for panel in json.loads((COMPONENT / "dashboard.json").read_text())["panels"]
        if panel["type"] != "row"
    ]
    assert len({panel["title"] for panel in panels}) == len(panels)
    assert [panel["title"] for panel in panels if not panel["description"].endswith(".")] == []


def test_the_document_explains_every_alert() -> None:
    headings = re.findall(r"^### (\w+)$", ALERTS, re.MULTILINE)
    assert headings == [rule["alert"] for rule in monitoring.rules()]
    assert set(re.findall(r"Driftline[A-Z]\w+", ALERTS)) <= set(headings)


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for rule in monitoring.rules():
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        assert len(rule["annotations"]["summary"]) <= 110
        assert "{{" not in rule["annotations"]["description"]


def with_descriptions(tests: dict[str, Any]) -> dict[str, Any]:
    """``tests`` of promtool; each expected alert has the description of its rule."""
    descriptions = {rule["alert"]: rule["annotations"]["description"] for rule in monitoring.rules()}
    for group in tests["tests"]:
        for test in group.get("alert_rule_test", ()):
            for alert in test["exp_alerts"]:
                alert["exp_annotations"]["description"] = descriptions[test["alertname"]]
    return tests | {"rule_files": [str(monitoring.RULES)]}


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    tests = tmp_path / "alerts.yaml"
    tests.write_text(yaml.safe_dump(with_descriptions(yaml.safe_load(TESTS.read_text()))))
    command = [monitoring.program("promtool"), "test", "rules", str(tests)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    groups = yaml.safe_load(TESTS.read_text())["tests"]
    fired = {
        test["alertname"]
        for group in groups
        for test in group.get("alert_rule_test", ())
        if test["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in monitoring.rules()}

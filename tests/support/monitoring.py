"""The alerts, the dashboard, and the metrics that they use."""

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from dataflow.telemetry import metrics
from tests.support.paths import ROOT

COMPONENT = ROOT / "k8s" / "components" / "monitoring"
RULES = COMPONENT / "rules.yaml"
DOCUMENT = (ROOT / "docs" / "reference" / "metrics.md").read_text()
ALERTS = (ROOT / "docs" / "guides" / "monitoring.md").read_text()


def program(name: str) -> str:
    """A program of Prometheus. Skips the test where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"there is no {name} on PATH; on Debian and Ubuntu: apt install prometheus")
    return path


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def queries() -> Iterator[tuple[str, str]]:
    """(title of the panel, query) for each query of the dashboard, as Grafana sends it."""
    for panel in json.loads((COMPONENT / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$__rate_interval", "30s").replace("$job", ".*")
            assert "$" not in query
            yield panel["title"], query


def selectors() -> Iterator[tuple[str, str]]:
    """(alert, selector) for each series that an alert reads; a selector includes its label matchers."""
    for rule in rules():
        for selector in re.findall(r"\b(?:driftline|bytewax|nv)_\w+(?:\{.*?\})?", rule["expr"]):
            yield rule["alert"], selector


def series_of(query: str) -> set[str]:
    """The names of the series that a query reads."""
    return set(re.findall(r"\b(?:driftline|bytewax|process|nv)_\w+", query))


def metrics_of_others() -> set[str]:
    """The metrics of Bytewax, Triton and the process that the document names."""
    table = DOCUMENT.partition("Metrics of others")[2].partition("##")[0]
    return set(re.findall(r"`((?:bytewax|process|nv)_\w+)`", table))


def declared() -> Iterator[tuple[str, str, set[str]]]:
    """Name, type and labels of each metric of ``dataflow/telemetry/metrics.py``."""
    for name, metric in vars(metrics).items():
        labels = getattr(metric, "_labelnames", ())
        if isinstance(metric, metrics.ArrayHistogram) or hasattr(metric, "_labelnames"):
            if getattr(metric, "_labelvalues", ()):
                continue  # one value of a label
            (family,) = metric.describe()
            assert name.isupper()
            yield family.name + "_total" * (family.type == "counter"), family.type, set(labels)

"""Metrics are what docs/reference/metrics.md says, and count arrays as they count single values."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dataflow.items.schemas import REASONS
from dataflow.telemetry import metrics
from tests.support.monitoring import declared
from tests.support.paths import ROOT

DOCUMENT = (ROOT / "docs" / "reference" / "metrics.md").read_text()
TABLE = re.findall(r"^\| `(driftline_\w+)` \| (\w+) \|(.*?)\|", DOCUMENT, re.MULTILINE)


def test_the_document_has_every_metric_with_its_type_and_labels() -> None:
    documented = [(name, kind, set(re.findall(r"\w+", labels))) for name, kind, labels in TABLE]
    assert sorted(map(str, documented)) == sorted(map(str, declared()))


def test_values_of_labels_are_there_from_the_start_and_documented() -> None:
    families = {f.name: f for f in text_string_to_metric_families(generate_latest().decode())}
    reasons = {sample.labels["reason"] for sample in families["driftline_dead_letters"].samples}
    assert reasons == set(REASONS)
    for name in ("late_events", "cache_lookups", "tokens", "watermark_timestamp_seconds"):
        samples = families[f"driftline_{name}"].samples
        assert len(samples) == 2
        for sample in samples:
            (label,) = sample.labels.values()
            assert f"`{label}`" in DOCUMENT


@given(st.lists(st.lists(st.floats(-1, 20) | st.sampled_from([0.1, 0.5, 10.0]))))
def test_arrays_are_counted_as_their_values_one_by_one(batches: list[list[float]]) -> None:
    edges = (0.1, 0.5, 10)
    ours = metrics.ArrayHistogram("test_ours", "", edges)
    theirs = Histogram("test_theirs", "", buckets=edges)
    try:
        for values in batches:
            ours.observe(np.array(values, np.float64))
            for each in values:
                theirs.observe(each)
        found, expected = (
            {
                s.name.rpartition("_")[2] + s.labels.get("le", ""): s.value
                for f in h.collect()
                for s in f.samples
            }
            for h in (ours, theirs)
        )
        assert found == pytest.approx(expected)
    finally:
        REGISTRY.unregister(ours)
        REGISTRY.unregister(theirs)

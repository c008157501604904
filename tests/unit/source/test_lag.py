"""The gauges of the data that a source has not read."""

import math

import pytest
from prometheus_client import REGISTRY

from dataflow.source import lag
from dataflow.source.lag import PartitionLag
from dataflow.telemetry.live_objects import LiveObjects


def shown() -> list[float | None]:
    return [
        REGISTRY.get_sample_value(f"driftline_source_lag_{unit}")
        for unit in ("messages", "bytes", "versions")
    ]


def test_the_gauges_show_the_sum_of_the_partitions_that_know_their_lag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lag, "LAGS", LiveObjects())
    lag.show()
    assert shown() == pytest.approx([math.nan] * 3, nan_ok=True)
    partitions = [lag.LAGS.add(PartitionLag(messages=3)), lag.LAGS.add(PartitionLag(messages=4, bytes=7))]
    partitions.append(lag.LAGS.add(PartitionLag(versions=2)))
    assert shown() == [7, 7, 2]
    del partitions[1:]
    assert shown() == pytest.approx([3, math.nan, math.nan], nan_ok=True)

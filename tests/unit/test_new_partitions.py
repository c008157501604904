"""New partitions are logged, counted, and read after a restart."""

import pytest
from prometheus_client import REGISTRY

from dataflow.new_partitions import on_new_partitions


def counted() -> float:
    return REGISTRY.get_sample_value("driftline_source_new_partitions") or 0


def test_they_are_named_and_the_flow_starts_again_if_it_may(caplog: pytest.LogCaptureFixture) -> None:
    before, asked = counted(), []
    on_new_partitions(lambda: asked.append(1))(["t:2", "t:3"])
    assert "the source has new partitions: t:2, t:3; the dataflow starts again" in caplog.text
    assert asked == [1]
    on_new_partitions(None)(["u:1"])
    assert "u:1; stop the dataflow and start it again" in caplog.text
    assert counted() == before + 3

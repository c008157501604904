"""What the metrics say of references, also of several key groups and after a restart."""

import pickle

import pytest
from prometheus_client import REGISTRY

from dataflow.score import gauges
from dataflow.score.evidence.bound import EVENT_BYTES, KEY_BYTES
from dataflow.score.evidence.sample import Samples
from dataflow.score.logics import SampleLogic
from dataflow.telemetry.live_objects import LiveObjects
from dataflow.telemetry.watch import UNWATCHED
from tests.support.evidence import MINUTE, Text, candidates, options


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"driftline_{name}", labels) or 0.0


def texts(number: int, key: str, events: int) -> list[Text]:
    return [Text(f"{key}{number}-{i}", key, number * MINUTE + i, i % 20) for i in range(events)]


def test_the_metrics_say_what_the_references_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    live: LiveObjects[Samples] = LiveObjects()
    monkeypatch.setattr(gauges, "SAMPLES", live)
    gauges.show()
    score, results = options(), ("cut", "forgotten")
    before = {result: value("references_shrunk_total", result=result) for result in results}
    most = 2 * KEY_BYTES + 50 * (EVENT_BYTES + 200)
    one, other = (SampleLogic(score, most, UNWATCHED, None) for _ in range(2))
    one.on_batch([candidates(0, texts(0, "a", 30), score), candidates(1, texts(1, "b", 5), score)])
    other.on_batch([candidates(0, texts(0, "c", 12), score)])
    assert value("reference_keys") == 3
    assert value("reference_events") == 47
    state = pickle.loads(pickle.dumps(one.snapshot()))
    held = value("reference_bytes")
    del one
    assert value("reference_events") == 12
    one = SampleLogic(score, most, UNWATCHED, state)
    assert value("reference_bytes") == held
    assert [value("references_shrunk_total", result=result) for result in results] == list(before.values())
    one.on_batch([candidates(2, texts(2, "d", 60), score)])
    shrunk = [value("references_shrunk_total", result=result) - before[result] for result in results]
    # "a" is cut to 15 events and then forgotten, "b" is forgotten, and "d" is cut to 30.
    assert shrunk == [1, 2]
    assert value("reference_keys") == 2
    assert value("reference_events") == 12 + 30

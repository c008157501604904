"""The telemetry that the flow hands to every step."""

from prometheus_client import REGISTRY

from dataflow.items.schemas import REASONS, dead_letters
from dataflow.telemetry.watch import UNWATCHED


def value(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(f"driftline_{name}", labels)
    assert found is not None, name
    return found


def test_dead_letters_count_by_reason() -> None:
    before = {reason: value("dead_letters_total", reason=reason) for reason in REASONS}
    letters = dead_letters([(reason, "", "p", 0, b"") for reason in ("bad_time", "future", "bad_time")])
    UNWATCHED.dead_letters(letters)
    UNWATCHED.dead_letters(dead_letters([]))
    after = {reason: value("dead_letters_total", reason=reason) - before[reason] for reason in REASONS}
    assert after == dict.fromkeys(REASONS, 0) | {"bad_time": 2, "future": 1}

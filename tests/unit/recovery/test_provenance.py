"""What a recovery store says that its state was made with."""

import pytest

from dataflow.recovery.provenance import FIXED, made_with
from dataflow.settings import Settings


def changed(**window: object) -> set[str]:
    """The fixed names whose values differ from those of the defaults."""
    one = made_with(Settings(), dim=8, model="m 1")
    other = made_with(Settings.model_validate({"window": window}), dim=8, model="m 2")
    return {name for name in FIXED if one.get(name) != other.get(name)}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"delay": "1m", "allowed_lateness": "1h", "idle_timeout": "1m", "remember": "2d"}, set()),
        ({"gap": "1h"}, set()),
        ({"length": "1h"}, {"window.length"}),
        ({"length": "600s", "slide": "PT5M"}, set()),
        ({"align_to": "1970-01-01T00:01:00Z"}, {"window.align_to"}),
        ({"kind": "tumbling"}, {"window.kind", "window.slide"}),
        (
            {"kind": "session"},
            {"window.kind", "window.length", "window.slide", "window.align_to", "window.gap"},
        ),
        ({"max_window_rows": 100}, {"window.max_window_rows"}),
    ],
)
def test_what_the_state_depends_on(window: dict[str, object], expected: set[str]) -> None:
    assert changed(**window) == expected


def test_a_sample_of_another_size_goes_on() -> None:
    one, other = (
        made_with(Settings.model_validate({"window": {"max_window_rows": n}}), dim=8, model="m")
        for n in (100, 200)
    )
    assert one == other


def test_without_a_model_nothing_is_said_of_the_dimension() -> None:
    assert "embedding.dim" not in made_with(Settings(), dim=None, model="")

"""What a version's state is when its two models differ."""

import pytest

from dataflow.embed.repository import ENCODER, MODEL
from export.manage.commands import state_of_both
from export.manage.triton import State

READY, GONE = State("READY", ""), State("UNAVAILABLE", "unloaded")
BROKEN = State("UNAVAILABLE", "no such file")


@pytest.mark.parametrize(
    ("model", "encoder", "expected"),
    [
        (READY, READY, READY),
        (READY, BROKEN, BROKEN),
        (BROKEN, READY, BROKEN),
        (READY, State("LOADING", ""), State("LOADING", "")),
        (GONE, GONE, State("not loaded", "")),
        (GONE, READY, State("not loaded", "")),
        (READY, None, State("not loaded", "")),
        (None, None, State("not loaded", "")),
    ],
)
def test_a_version_is_ready_if_both_its_models_are(
    model: State | None, encoder: State | None, expected: State
) -> None:
    states = {(MODEL, 1): model, (ENCODER, 1): encoder, (MODEL, 2): BROKEN}
    assert state_of_both({key: state for key, state in states.items() if state}, 1) == expected

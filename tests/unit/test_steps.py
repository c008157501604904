"""The Bytewax edges of the stages: their signatures, and the graph that they make."""

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

import pytest

from dataflow import flow
from dataflow.decode.step import decode
from dataflow.doctor.recovery import step_ids
from dataflow.embed.step import embed
from dataflow.score.step import score
from dataflow.settings import Settings
from dataflow.window.step import gather_windows

LONGEST_GRAPH = 45
STATEFUL = {"source", "window.progress", "window.window", "window.keep", "window.read", "window.assemble"}


@pytest.mark.parametrize("operator", [decode, embed, gather_windows, score])
def test_bytewax_reads_the_signature_on_every_python(operator: Callable[..., Any]) -> None:
    # On CPython 3.10, Bytewax takes such a generic for a class, and fails.
    generics = [
        hint for hint in typing.get_type_hints(operator).values() if isinstance(hint, types.GenericAlias)
    ]
    assert not generics


def test_steps_whose_state_is_in_recovery_stores_keep_their_ids() -> None:
    assert {f"driftline.{name}" for name in STATEFUL} <= step_ids(Settings())


def test_the_graph_fits_a_screen() -> None:
    assert len(inspect.getsource(flow.build).splitlines()) <= LONGEST_GRAPH

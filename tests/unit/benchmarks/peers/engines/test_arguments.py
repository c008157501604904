"""What the measurements of engines say of an engine that cannot run here."""

import argparse
import sys

import pytest

from benchmarks.peers.engines import arguments, runs
from benchmarks.peers.environments import MissingError


def test_an_engine_that_cannot_run_ends_the_program_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def java() -> str:
        raise MissingError("Flink needs Java")

    monkeypatch.setattr(runs, "java", java)
    monkeypatch.setattr(sys, "argv", ["engines", "--engines", "Bytewax", "PyFlink"])
    with pytest.raises(SystemExit, match=r"^error: Flink needs Java$"):
        arguments.parse(argparse.ArgumentParser())


def test_the_engines_are_asked_for_their_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["engines", "--engines", "Bytewax", "Driftline"])
    parsed, versions = arguments.parse(argparse.ArgumentParser())
    assert parsed.engines == ["Bytewax", "Driftline"]
    assert set(versions) == {"bytewax"}

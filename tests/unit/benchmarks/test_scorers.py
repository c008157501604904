"""The benchmark of the scorers runs."""

import sys

import pytest

from benchmarks import scorers
from dataflow.score.scorers import SCORERS


def test_each_scorer_is_measured_beside_scikit_learn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["scorers", "--keys", "3", "--rows", "40", "--runs", "1"])
    scorers.main()
    out = capsys.readouterr().out
    assert out.count("\n\n|") == 3  # one for each size, and that of the figures
    for name in (*SCORERS, scorers.PLAIN):
        assert out.count(f"\n| {name} |") == 2


def test_an_unknown_scorer_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["scorers", "fast"])
    with pytest.raises(SystemExit):
        scorers.main()
    assert "unknown scorer 'fast'; the scorers are kmeans, mean" in capsys.readouterr().err

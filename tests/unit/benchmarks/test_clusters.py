"""The benchmark of clusters over time runs."""

import sys

import numpy as np
import pytest

from benchmarks import clusters
from benchmarks.kit.topics import Topics


def test_a_warm_start_is_measured_beside_a_cold_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--rows", "60", "--clusters", "4", "8", "--topics", "6", "--runs", "1"]
    monkeypatch.setattr(sys, "argv", ["clusters", *options])
    clusters.main()
    out = capsys.readouterr().out
    assert "60 rows of 768 floats, half of them new" in out
    assert out.count("\n| 6 | ") == 2


def test_two_windows_have_half_of_their_rows_in_common() -> None:
    old, new = Topics(6, 8).two_windows(101)
    assert old.shape == new.shape == (101, 8)
    np.testing.assert_array_equal(old[51:], new[:50])
    assert len(np.unique(np.concatenate([old, new]), axis=0)) == 152
    np.testing.assert_allclose(np.linalg.norm(new, axis=1), 1, rtol=1e-6)

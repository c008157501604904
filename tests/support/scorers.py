"""Scorers that a test names as ``tests.support.scorers:NAME``."""

import time

import numpy as np
import numpy.typing as npt
import pandas as pd


def quoting(frame: pd.DataFrame) -> list[float]:
    """Fails with an error that quotes the text of an event."""
    return [float(text) for text in frame["text"]]


def three_numbers(frame: pd.DataFrame) -> list[float]:
    """Returns three scores for any number of events."""
    return [1.0, 2.0, 3.0]


def slow_mean(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The scores of ``mean``, each window with a pause before it."""
    time.sleep(0.03)
    vectors = np.stack(frame["embedding"].tolist()).astype(np.float64)
    distances: npt.NDArray[np.float64] = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1)
    return distances


def hanging(frame: pd.DataFrame) -> "pd.Series[float]":
    """Never returns."""
    while True:
        time.sleep(3600)

"""Functions over a DataFrame that a test names as ``score.kind = tests.support.scorers:NAME``."""

import time

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from dataflow.score.scorers.distance import MeanScorer
from dataflow.settings import Score

#: Not a function.
NUMBER = 1


def norm_from_first(frame: pd.DataFrame) -> "pd.Series[float]":
    """The distance to the first event."""
    first = frame["embedding"].iloc[0]
    return frame["embedding"].map(lambda v: float(np.linalg.norm(v - first)))


def one_number(frame: pd.DataFrame) -> float:
    """Returns a number for the window, not for each event."""
    return 1.0


def not_a_number(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Returns no finite numbers."""
    return np.full(len(frame), np.nan)


def quoting(frame: pd.DataFrame) -> list[float]:
    """Fails with an error that quotes the text of an event."""
    return [float(text) for text in frame["text"]]


def three_numbers(frame: pd.DataFrame) -> list[float]:
    """Returns three scores for any number of events."""
    return [1.0, 2.0, 3.0]


def threads_of_blas(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """In how many threads NumPy multiplies matrices."""
    threads = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
    return np.full(len(frame), float(max(threads)))


def slow_mean(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The scores of ``mean``, to the last bit, each window with a pause before it."""
    time.sleep(0.03)
    vectors = np.stack(frame["embedding"].tolist())
    rows = pa.record_batch({"embedding": pa.array(list(vectors), pa.list_(pa.float32(), vectors.shape[1]))})
    return MeanScorer(Score()).score(rows).values


def hanging(frame: pd.DataFrame) -> "pd.Series[float]":
    """Never returns."""
    while True:
        time.sleep(3600)

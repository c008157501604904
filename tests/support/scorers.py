"""Functions that score a window as a DataFrame, for ``score.kind = module:function``."""

import numpy as np
import numpy.typing as npt
import pandas as pd

#: Not a function.
NUMBER = 1


def norm_from_first(frame: pd.DataFrame) -> "pd.Series[float]":
    first = frame["embedding"].iloc[0]
    return frame["embedding"].map(lambda v: float(np.linalg.norm(v - first)))


def one_number(frame: pd.DataFrame) -> float:
    return 1.0


def not_a_number(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    return np.full(len(frame), np.nan)

"""Scores from a function of the user, which gets the window as a pandas DataFrame, as in Spark's
``applyInPandas``.
"""

import importlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa

from dataflow.errors import SettingsError
from dataflow.items.embedding import embeddings
from dataflow.score.scorers.base import Scores
from dataflow.settings import Score

#: Takes a window as a DataFrame, and returns a number for each row.
FrameFunction = Callable[[pd.DataFrame], "pd.Series[float]"]


class FrameScorer:
    """Scores a window with ``function(df)``.

    ``df`` has the columns of an embedded event (``id, key, ts, text, attributes, embedding, ...``);
    ``embedding`` holds ``(dim,)`` float32 arrays. ``function`` returns a Series, an array or a list of
    ``len(df)`` finite numbers in the order of ``df``; a higher number is more anomalous.

    >>> rows = pa.record_batch({
    ...     "text": ["a", "a longer text"],
    ...     "embedding": pa.array([[0, 1], [1, 0]], pa.list_(pa.float32(), 2)),
    ... })
    >>> FrameScorer("lengths", lambda df: df["text"].str.len()).score(rows).values.tolist()
    [1.0, 13.0]
    """

    def __init__(self, name: str, function: FrameFunction) -> None:
        self._name, self._function = name, function

    @classmethod
    def load(cls, name: str) -> "FrameScorer":
        """Import ``module:function``. Raises ``SettingsError`` if that fails or is not a function."""
        module_name, _, attribute = name.partition(":")
        try:
            function = getattr(importlib.import_module(module_name), attribute)
        except (ImportError, AttributeError) as error:
            raise SettingsError(f"score.kind={name!r}: cannot be imported: {error}") from None
        if not callable(function):
            raise SettingsError(f"score.kind={name!r}: is not a function")
        return cls(name, function)

    def score(self, rows: pa.RecordBatch) -> Scores:
        frame = rows.drop_columns(["embedding"]).to_pandas()
        frame["embedding"] = list(embeddings(rows))
        values = np.asarray(self._function(frame), dtype=np.float64)
        if values.shape != (len(rows),) or not np.isfinite(values).all():
            raise SettingsError(
                f"score.kind={self._name!r}: must return {len(rows)} finite numbers for {len(rows)} rows, "
                f"got shape {values.shape} with {int((~np.isfinite(values)).sum())} not finite"
            )
        return Scores.of(values)


def open_frame_scorer(options: Score) -> FrameScorer:
    """The scorer of ``score.kind = module:function``."""
    return FrameScorer.load(options.kind)

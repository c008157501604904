"""Scorers that a test names as ``tests.support.scorers:NAME``."""

import time

import pandas as pd


def quoting(frame: pd.DataFrame) -> list[float]:
    """Fails with an error that quotes the text of an event."""
    return [float(text) for text in frame["text"]]


def three_numbers(frame: pd.DataFrame) -> list[float]:
    """Returns three scores for any number of events."""
    return [1.0, 2.0, 3.0]


def hanging(frame: pd.DataFrame) -> "pd.Series[float]":
    """Never returns."""
    while True:
        time.sleep(3600)

"""Drift in words."""

from dataflow.drift.comparison import Change
from dataflow.drift.words import sentence

TEXTS = {1: ["URGENT! You have won", "Call now"], 2: ["x" * 200]}


def said(*changes: Change) -> str:
    return sentence(changes, TEXTS, against="the reference", level=0.01)


def test_each_kind_of_change_has_its_words() -> None:
    assert said(Change(1, 0.0, 0.25, 0.001)) == (
        'Compared with the reference, a cluster is new, with 25 % ("URGENT! You have won", "Call now").'
    )
    assert said(Change(3, 0.25, 0.0, 0.001)) == (
        "Compared with the reference, a cluster is gone, which had 25 %."
    )
    assert said(Change(3, 0.004, 0.12, 0.001), Change(4, 0.5, 0.3, 0.001)) == (
        "Compared with the reference, a cluster grew from 0.4 % to 12 %; a cluster faded from 50 % to 30 %."
    )


def test_what_is_not_certain_is_not_named() -> None:
    assert said(Change(3, 0.25, 0.0, 0.02)) == (
        "Compared with the reference, the mean of the texts moved; no single cluster explains the change."
    )


def test_long_examples_are_cut() -> None:
    assert f'("{"x" * 77}...")' in said(Change(2, 0.1, 0.2, 0.001))

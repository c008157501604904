"""Explanations: what is new, what is missing, how often the form was seen, and the sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.score.evidence.beside import Nearest
from dataflow.score.evidence.explain import explain, words
from dataflow.score.evidence.reference import Reference
from tests.support.evidence import MINUTE, Group, Text, candidates, embedded, options, stream

texts = st.text(st.sampled_from("ab c.1"), max_size=20)


@given(texts, texts)
def test_new_and_missing_words_are_the_difference_of_the_two_texts(text: str, other: str) -> None:
    found = explain(text, Nearest(other, 0, 0.5, alike=0, rows=1))
    assert found["new"] == [word for word in words(text) if word not in words(other)]
    assert found["missing"] == explain(other, Nearest(text, 0, 0.5, alike=0, rows=1))["new"]


@pytest.mark.parametrize(
    ("alike", "said"),
    [
        (0, "this form was never seen"),
        (1, "this form was seen once"),
        (7, "this form was seen 7 times"),
    ],
)
def test_the_sentence_says_how_often_the_form_was_seen(alike: int, said: str) -> None:
    sentence = str(explain("same", Nearest("same", 0, 1.0, alike, rows=9))["sentence"])
    assert sentence.endswith(f'"same" (similarity 1.00, 1970-01-01T00:00:00Z); {said}')


def test_the_sentence_names_the_first_words_only() -> None:
    sentence = str(explain("a b c d e f g h", Nearest("x", 0, 0.1, alike=0, rows=9))["sentence"])
    assert "; new: a, b, c, d, e, f and 2 more; missing: x; " in sentence


def test_the_nearest_member_is_the_newest_of_the_nearest() -> None:
    score = options()
    reference = Reference(8, rows=100, neighbours=1, with_window=False)
    for minute, each in enumerate(stream(4, 4, keys="a")):
        events = candidates(minute, each, score).events
        reference.enter(events, np.zeros(len(events), np.int64))
    reference.prepare(4 * MINUTE, 5 * MINUTE)
    of_window = candidates(4, stream(4, 5, keys="a")[4], score).events
    known = reference.events
    for i, nearest in enumerate(reference.nearest(of_window)):
        distance = ((of_window.vectors[i].astype(int) - known.vectors.astype(int)) ** 2).sum(axis=1)
        best = distance == distance.min()
        assert nearest.ts == known.ts[best].max()
        assert nearest.text == known.texts[best][known.ts[best].argmax()]
        assert nearest.alike == (known.forms == of_window.forms[i]).sum()
        assert nearest.rows == len(known)


def test_the_similarity_is_the_cosine() -> None:
    known, event = Text("e", "a", 0, 1), Text("f", "a", MINUTE, 2)
    one, other = np.stack(embedded([known, event]).column("embedding").to_pylist())
    expected = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    score = options()
    reference = Reference(8, rows=100, neighbours=1, with_window=False)
    reference.enter(candidates(0, [known], score).events, np.zeros(1, np.int64))
    reference.prepare(MINUTE, 2 * MINUTE)
    (nearest,) = reference.nearest(candidates(1, [event], score).events)
    assert np.isclose(nearest.similarity, expected, atol=1e-3)


def test_events_that_are_anomalous_enough_are_explained() -> None:
    score = options(explain=1.0, reference_least=20)
    group = Group(score)
    for number, each in enumerate(stream(6, 12)):
        group.take(candidates(number, each, score))
        if number == 5:
            group.crash()
    explained = [row for row in group.rows if row["explanation"] is not None]
    assert explained
    assert all(row["anomaly"] >= 1.0 for row in explained)
    assert all(row["explanation"] for row in group.rows if (row["anomaly"] or 0) >= 1.0)
    assert all(row["explanation"]["nearest_ts"] < row["window_start"] for row in explained)

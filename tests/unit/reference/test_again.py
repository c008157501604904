"""Texts of samples are embedded again: masked, by the version that is asked for, after a wait if need be."""

from datetime import timedelta

import pyarrow as pa
import pytest

from dataflow.embed.cache import CachedEmbedder
from dataflow.items.fixed import to_fixed
from dataflow.reference.again import EmbedsSamples
from dataflow.settings import Embed, Settings, Source
from tests.support.versions import Version

FOLLOWING = Settings(embed=Embed(follow=True, follow_interval=timedelta(seconds=10)))
TEXTS = pa.array(["a 1", "b", "a 2", "b"])


def test_the_masked_text_is_embedded_and_a_refused_one_is_zero(caplog: pytest.LogCaptureFixture) -> None:
    model = Version("2", refused="b")
    embed = EmbedsSamples(Settings(source=Source(mask=("number",))), model)
    vectors = embed(TEXTS, "null 2")
    assert model.asked == ["a <number>", "b"]
    assert vectors is not None
    expected = to_fixed(Version("2").embed(["a <number>"]).vectors)[0].tolist()
    assert vectors.tolist() == [expected, [0] * 4, expected, [0] * 4]
    assert "4 events of references are embedded again by null 2 in" in caplog.text
    assert "without 2 that the model refuses: no" in caplog.text


def test_it_waits_for_a_version_that_another_process_has_and_only_once_for_each() -> None:
    now, model = [0.0], Version("1")

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] >= 7:
            model.version = "2"

    embed = EmbedsSamples(FOLLOWING, CachedEmbedder(model, 10), lambda: now[0], sleep)
    vectors = embed(TEXTS, "null 2")
    assert vectors is not None
    assert vectors.tolist() == to_fixed(Version("2").embed(TEXTS.to_pylist()).vectors).tolist()
    assert now[0] == 7
    assert embed(TEXTS, "null 3") is None
    assert now[0] == 27
    assert embed(TEXTS, "null 3") is None
    assert now[0] == 27


def test_without_follow_it_does_not_wait_and_asks_no_other_version() -> None:
    model = Version("1")
    assert EmbedsSamples(Settings(), model)(TEXTS, "null 2") is None
    assert model.asked == []


def test_a_version_that_changes_meanwhile_does_not_count() -> None:
    model = Version("2")
    model.becomes = "3"
    assert EmbedsSamples(Settings(), model)(TEXTS, "null 2") is None

"""What a reference holds, in lines for a terminal."""

from datetime import datetime, timedelta, timezone

import pyarrow as pa

from dataflow.embed.null import NullEmbedder
from dataflow.items.pinned import PINNED
from dataflow.reference.pinned import embed_texts
from dataflow.reference.summary import summary

NOW = datetime(2026, 1, 10, tzinfo=timezone.utc)


def rows(**keys: list[str]) -> pa.RecordBatch:
    """The texts of each key, an hour apart."""
    made = [
        {"key": key, "text": text, "ts": NOW - timedelta(hours=hours + 1)}
        for key, texts in keys.items()
        for hours, text in enumerate(texts)
    ]
    return pa.RecordBatch.from_pylist(made, PINNED)


def test_each_key_has_its_size_and_age_and_clusters_by_size() -> None:
    of = rows(b=["bye"], a=["one"] * 6 + ["two"] * 3 + ["three"])
    assert list(summary(embed_texts(NullEmbedder(8), of), NOW)) == [
        "key b: 1 texts; from 2026-01-09T23:00:00Z to 2026-01-09T23:00:00Z, median age 1 h 0 min",
        '  100%  "bye"',
        "key a: 10 texts; from 2026-01-09T14:00:00Z to 2026-01-09T23:00:00Z, median age 5 h 30 min",
        '   60%  "one"',
        '   30%  "two"',
        '   10%  "three"',
    ]


def test_there_are_at_most_eight_clusters_with_two_texts() -> None:
    of = rows(a=[f"text {n}" for n in range(40)])
    _, *clusters = summary(embed_texts(NullEmbedder(8), of), NOW)
    assert len(clusters) == 8
    assert all(line.count('"') in (2, 4) for line in clusters)


def test_texts_without_times_keys_and_embeddings_are_counted() -> None:
    of = pa.RecordBatch.from_pylist([{"text": "a"}, {"text": "b"}], PINNED)
    assert list(summary(of, NOW)) == [
        "all keys: 2 texts; no times",
        "  no embeddings, so no clusters; `import` makes a file that has them",
    ]


def test_a_terminal_obeys_no_text_and_no_key() -> None:
    of = rows(**{"\x1b[31mkey": ["\x1b[2Jtext\n" + "x" * 200]})
    shown = "\n".join(summary(embed_texts(NullEmbedder(8), of), NOW))
    assert "\x1b" not in shown
    assert "key \\x1b[31mkey: " in shown
    assert '"\\x1b[2Jtext\\x0a' in shown
    assert max(map(len, shown.splitlines())) < 140

"""Opens the pinned events of a flow: reads, chooses and embeds known-good texts."""

import logging
from datetime import datetime
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.clock import utc_now
from dataflow.embed.base import Embedder
from dataflow.errors import SettingsError
from dataflow.items.fixed import to_fixed, to_unit
from dataflow.items.hashes import hashes
from dataflow.items.pinned import PINNED, pinned_schema
from dataflow.reference.texts import read
from dataflow.score.evidence.pinned import Pinned
from dataflow.score.evidence.reference import near_width
from dataflow.settings import Settings
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)


def open_pinned(settings: Settings, embedder: Embedder) -> Pinned | None:
    """The pinned events that ``score.pinned`` names; ``None`` if it is not set.

    Raises ``SettingsError`` or ``SourceError`` if they cannot be read, or are too few. They are embedded when
    they are needed.
    """
    rows = read_pinned(settings, utc_now())
    if rows is None:
        return None
    if rows.schema.names != PINNED.names and rows.schema.field("embedding").type.list_size != embedder.dim:
        rows = rows.select(PINNED.names)
    return Pinned(
        rows,
        partial(embed_texts, embedder),
        lambda: f"{embedder.model} {embedder.version}",
        embedder.dim,
        near_width(settings.score.novelty_neighbours),
    )


def read_pinned(settings: Settings, now: datetime) -> pa.RecordBatch | None:
    """The rows that ``score.pinned`` names, see :func:`dataflow.reference.texts.read`; as many of them as
    ``score.reference_rows`` allows. ``None`` if it is not set.
    """
    options = settings.score
    if options.pinned is None:
        return None
    rows = choose(read(options.pinned, settings, now), options.reference_rows)
    for each in rows.column("key").value_counts().to_pylist():
        if each["counts"] < options.reference_least:
            of_key = "" if each["values"] is None else f" of key {each['values']!r}"
            raise SettingsError(
                f"score.pinned={options.pinned}: has {each['counts']} texts{of_key}, and needs "
                f"score.reference_least={options.reference_least}; add texts, or lower that setting"
            )
    return rows


def choose(rows: pa.RecordBatch, most: int) -> pa.RecordBatch:
    """At most ``most`` rows of each key, in their order: a random sample, the same one each time.

    Those with the lowest hashes of row number and text are chosen.

    >>> rows = pa.RecordBatch.from_pylist([{"text": text} for text in "abcde"], PINNED)
    >>> choose(rows, 2).column("text").to_pylist() == choose(rows, 2).column("text").to_pylist()
    True
    >>> len(choose(rows, 2)), len(choose(rows, 9))
    (2, 5)
    """
    numbered = pa.array([f"{number}:{text}" for number, text in enumerate(rows.column("text").to_pylist())])
    codes = rows.column("key").dictionary_encode("encode").indices.to_numpy()
    order = np.lexsort((hashes(numbered), codes))
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - starts[codes[order]]
    return rows.filter(pa.array(rank < most))


def embed_texts(embedder: Embedder, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Embed rows of ``PINNED``: rows of ``pinned_schema``, without those that the model refuses.

    The masked text is embedded in place of the text where there is one. Raises what ``embedder`` raises.
    """
    encoded = pc.coalesce(rows.column("masked"), rows.column("text")).dictionary_encode()
    answer = embedder.embed(encoded.dictionary.to_pylist())
    codes = encoded.indices.to_numpy()
    good = ~np.isin(codes, list(answer.failed))
    if not good.all():
        _warn(int(np.count_nonzero(~good)), next(iter(answer.failed.values())))
    rows, vectors = rows.filter(pa.array(good)), to_unit(to_fixed(answer.vectors[codes[good]]))
    schema = pinned_schema(embedder.dim)
    embedding = pa.FixedSizeListArray.from_arrays(
        pa.array(vectors.reshape(-1)), type=schema.field("embedding").type
    )
    model = [pa.repeat(pa.scalar(name), len(rows)) for name in (embedder.model, answer.version)]
    return pa.RecordBatch.from_arrays([*rows.columns, embedding, *model], schema=schema)


def _warn(count: int, why: str) -> None:
    sentence = f"the model refuses {count} pinned texts, which are left out: {why}"
    _log.warning(Line("pinned_refused", sentence, texts=count, reason=why))

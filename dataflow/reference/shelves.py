"""Reads the references that a recovery store holds.

The step ``sample`` keeps which events are sampled, and the shelves keep the events
(:mod:`dataflow.score.evidence.messages`). A shelf may hold events that are not sampled any more.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.decode.masking import masked, patterns_of
from dataflow.errors import SettingsError
from dataflow.items.fixed import to_unit
from dataflow.items.hashes import hashes
from dataflow.items.ipc import unpack
from dataflow.items.pinned import pinned_schema
from dataflow.items.schemas import TIMESTAMP
from dataflow.recovery.store import read_states
from dataflow.score.evidence.again import is_embedded
from dataflow.score.evidence.features import Features

_SAMPLE, _SHELF = "driftline.score.sample", "driftline.score.shelf"


def read_store(folder: Path, mask: tuple[str, ...]) -> pa.RecordBatch:
    """The sampled events of all keys in the recovery store in ``folder``: rows of ``pinned_schema``, in the
    order of (``key``, ``ts``).

    ``mask``: ``source.mask``. A store does not hold masked texts, so they are made again, and compared with
    the hashes that it does hold. Raises ``SettingsError`` if they differ, if a flow uses the store, or if the
    store holds no reference.
    """
    samples, shelves = read_states(folder, (_SAMPLE, _SHELF))
    found: list[pa.RecordBatch] = []
    for group, sample in samples.items():
        for number, _ in sample["held"]:
            for batch in unpack(shelves[f"{group}:{number}"]["rows"]):
                which = _sampled(batch, number, sample)
                # The newest version of the model refused the others, or has not embedded them again yet.
                which &= is_embedded(Features.of(batch), batch.column("model"), sample["model"])
                if which.any():
                    found.append(_rows(batch.filter(pa.array(which)), sample["model"], folder, mask))
    if not found:
        raise SettingsError(
            f"{folder}: holds no reference; run the flow with score.reference = true until windows close"
        )
    return pa.concat_batches(found).sort_by([("key", "ascending"), ("ts", "ascending")])


def _sampled(batch: pa.RecordBatch, shelf: int, sample: Mapping[str, Any]) -> Any:
    """``(n,)`` bool: which events of a batch of the shelf are sampled."""
    of_shelf: dict[str, Any] = {
        key: np.frombuffer(priority)[np.frombuffer(shelves, np.int64) == shelf]
        for key, priority, shelves, *_ in sample["keys"]
    }
    priority = batch.column("priority").to_numpy()
    which = np.zeros(len(batch), np.bool_)
    for key, rows in _by_key(batch):
        which[rows] = np.isin(priority[rows], of_shelf.get(key, ()))
    return which


def _by_key(batch: pa.RecordBatch) -> Iterator[tuple[str, Any]]:
    keys = batch.column("key").dictionary_encode()
    codes = keys.indices.to_numpy()
    for code, key in enumerate(keys.dictionary.to_pylist()):
        yield key, np.flatnonzero(codes == code)


def _rows(batch: pa.RecordBatch, model: str, folder: Path, mask: tuple[str, ...]) -> pa.RecordBatch:
    events = Features.of(batch)
    texts = pa.array(events.texts, pa.string())
    masked_texts = masked(texts, patterns_of(mask))
    if (hashes(pc.coalesce(masked_texts, texts)) != events.forms).any():
        raise SettingsError(
            f"{folder}: its texts were masked with another source.mask; set DRIFTLINE_SOURCE__MASK as it was"
        )
    schema = pinned_schema(events.vectors.shape[1])
    vectors = pa.array(to_unit(events.vectors).reshape(-1))
    name, _, version = model.rpartition(" ")
    return pa.RecordBatch.from_arrays(
        [
            batch.column("key"),
            pa.array(events.ts).cast(TIMESTAMP),
            texts,
            masked_texts,
            pa.FixedSizeListArray.from_arrays(vectors, type=schema.field("embedding").type),
            *(pa.repeat(pa.scalar(each), len(batch)) for each in (name, version)),
        ],
        schema=schema,
    )

"""The schemas of known-good texts, and of saved references."""

import pyarrow as pa

from dataflow.items.schemas import TIMESTAMP, embedded_schema

#: Known-good texts, for ``score.pinned``. ``key``: the key whose reference they are; null in all rows: of all
#: keys. ``ts``: null if the time is not known. ``masked``: as in ``EVENT``.
PINNED = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("ts", TIMESTAMP),
        pa.field("text", pa.string(), nullable=False),
        pa.field("masked", pa.string()),
    ]
)


def pinned_schema(dim: int) -> pa.Schema:
    """``PINNED`` with ``embedding``, ``model`` and ``model_version``: the columns of a saved reference.

    The embeddings are unit vectors of :func:`dataflow.items.fixed.to_unit`.
    """
    names = ("embedding", "model", "model_version")
    return pa.schema([*PINNED, *(embedded_schema(dim).field(name) for name in names)])

"""The columns that recorded rows may have."""

import pyarrow as pa

from dataflow.items.embedding import embedding_field
from dataflow.items.schemas import EVIDENCE, EXPLANATION, SAMPLE_SHARE, SCORED


def known_fields(dim: int) -> dict[str, pa.Field]:
    """Name -> the field. ``dim``: the number of dimensions of the embeddings.

    >>> known_fields(384)["score"]
    pyarrow.Field<score: double not null>
    """
    fields = [*SCORED, SAMPLE_SHARE, *EVIDENCE, EXPLANATION, embedding_field(dim)]
    return {field.name: field for field in fields}

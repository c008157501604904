"""What the score stage says to the stages that decide: which events of a window stand out."""

from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.fixed import Fixed


@dataclass(frozen=True)
class Judged:
    """The windows of one emission of a key group, and those of their events that stand out.

    ``emission``: its number: 0, 1, 2, and so on. ``keys``: the ``k`` keys that have a window. ``starts``,
    ``ends``: ``(k,)``, their windows, in microseconds since the Unix epoch, UTC. ``late``: ``(k,)``, whether
    the window was due before and is emitted because of late events. ``rows``: ``(k,)``, how many events each
    window has. ``events``: the ``m`` events that stand out, sorted by (``key``, ``ts``, ``id``): columns of
    ``SCORED``, ``EVIDENCE`` and ``EXPLANATION``. ``windows``: ``(m,)``, which of the windows each is in.
    ``vectors``: ``(m, dim)``, their embeddings. ``model``: the model and the version that embedded them;
    ``None`` if there are no rows.
    """

    emission: int
    keys: list[str]
    starts: Int64s
    ends: Int64s
    late: Bools
    rows: Int64s
    events: pa.RecordBatch
    windows: Int64s
    vectors: Fixed
    model: str | None


class Passed(NamedTuple):
    """A key group has come to a watermark.

    All windows that end at ``watermark`` or earlier are in its emissions before number ``emissions``, unless
    events come late.
    """

    emissions: int
    watermark: int

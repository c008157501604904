"""The settings of scores and of the reference."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from dataflow.settings.group import Group
from dataflow.settings.values import Columns, Positive


def _not_empty(value: object) -> object:
    return None if value == "" else value


class Score(Group):
    """The scorer and its parameters."""

    kind: str = "kmeans"
    """Name of the scorer: ``kmeans``, ``mean``, ``cosine``, ``knn``, ``lof``, or ``module:function`` for a
    function of your own.
    """

    start: Literal["cold", "warm"] = "cold"
    """Where ``kmeans`` starts: in each window anew (``cold``), as in the article, or from the clusters of the
    key's last window (``warm``). With ``warm``, cluster numbers last, and window summaries have ``clusters``.
    Fixed in the recovery store.
    """

    clusters: Annotated[int, Field(ge=1)] = 8
    """Number of clusters of ``kmeans``, at least 1. A window with fewer events has as many clusters as
    events.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Seed of the random numbers of ``kmeans``, 0 to 2**32 - 1. Equal seeds give equal scores."""

    neighbours: Annotated[int, Field(ge=1)] = 5
    """Number of neighbours of ``knn`` and ``lof``, at least 1. A window with fewer other events uses all of
    them.
    """

    reference: bool = True
    """Whether events are also compared with a reference, a sample of the earlier events of their key. Scored
    rows then have ``novelty``, ``surge``, ``rarity``, ``p_value`` and ``anomaly``.
    """

    evidence: Literal["novelty", "surge", "rarity", "score", "sum"] = "sum"
    """What ``p_value`` and ``anomaly`` are made of: one of the columns, or ``sum``, which adds up novelty and
    surge.
    """

    columns: Columns = ("novelty", "surge", "rarity")
    """Which of ``novelty``, ``surge`` and ``rarity`` are computed, separated by blanks. A column that is not
    named is null and costs no time. In the recovery store it is fixed whether ``surge`` is named.
    """

    reference_rows: Annotated[int, Field(ge=100)] = 2000
    """Most events in the reference of a key, at least 100."""

    reference_least: Annotated[int, Field(ge=10)] = 100
    """Least events in the reference of a key, at least 10 and at most ``reference_rows``. Until there are
    as many, and as many that can be compared with as many, the key borrows the pool (``score.pooled``). The
    columns are null while the pool has too few events, too.
    """

    reference_bytes: Annotated[int, Field(ge=10_000_000)] = 1_000_000_000
    """Most bytes of memory that the events of all references take, at least 10,000,000. The second copy of an
    event, which is kept for restarts, counts too. Each key group gets an equal part. When a key group needs
    more, the references of the keys that have had no events for longest shrink.
    """

    pooled: bool = True
    """Whether a key without enough events of its own is compared with a sample of the events of all keys of
    its key group. An ``explanation`` may then quote a text of another key. Has no effect with ``pinned``,
    with sessions, or with ``window.watermark = key``.
    """

    half_life: Positive = timedelta(days=7)
    """An event that is this much older than another one, in event time, is half as likely to be in the
    reference; longer than zero. With ``start = warm``, a key whose last window ended this much earlier starts
    again.
    """

    model_change: Literal["embed_again", "restart"] = "embed_again"
    """What becomes of the references when another model, or another version of the model, embeds a window:
    ``embed_again`` embeds the sampled events again from their texts, ``restart`` forgets them. The columns
    are null meanwhile.
    """

    pinned: str | None = None
    """Known-good texts, which are then the members of every reference; needs ``reference``. ``file:PATH`` of
    JSON lines (``.jsonl``) with the fields of the source, or of a saved reference (``.parquet``). Unset: the
    members are earlier events of the key.
    """

    quarantine: Positive | None = None
    """How long a suspect event waits before it can be in the reference, in event time; longer than zero.
    Unset: 24 times the time from one window to the next.
    """

    novelty_neighbours: Annotated[int, Field(ge=1)] = 1
    """Number of nearest events to which ``novelty`` is the mean distance, at least 1."""

    novelty_window: bool = False
    """Whether up to half of the nearest events of ``novelty``, rounded up, may be in the window: for logs,
    where a usual event that the reference does not know yet often repeats itself at once.
    """

    explain: Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_not_empty)] = 3.0
    """Lowest ``anomaly``, 0 or more, of an event that gets an ``explanation``; needs ``reference``. ``0``
    explains each event that has an ``anomaly``. Empty: there are no explanations.
    """

    @model_validator(mode="after")
    def _clusters_start(self) -> "Score":
        if self.start == "warm" and self.kind != "kmeans":
            raise ValueError(
                f"score.start = warm needs clusters, which {self.kind} does not make: set "
                "score.kind = kmeans, or score.start = cold"
            )
        return self

    @model_validator(mode="after")
    def _needs_reference(self) -> "Score":
        for name in ("explain", "pinned"):
            is_asked = name in self.model_fields_set and getattr(self, name) is not None
            if is_asked and not self.reference:
                raise ValueError(f"score.{name} needs a reference: set score.reference = true")
        return self

    @model_validator(mode="after")
    def _evidence_is_computed(self) -> "Score":
        needed = {"sum": ("novelty", "surge"), "score": ()}.get(self.evidence, (self.evidence,))
        missing = [name for name in needed if name not in self.columns]
        if missing:
            raise ValueError(
                f"score.evidence = {self.evidence} needs {missing[0]}, which score.columns does not name: "
                f"add {missing[0]} to score.columns, or choose another score.evidence"
            )
        return self

    @model_validator(mode="after")
    def _reference_can_be_known(self) -> "Score":
        if self.reference_least > self.reference_rows:
            raise ValueError(
                "score.reference_least is more than score.reference_rows, so no reference would ever have "
                "enough events"
            )
        return self

"""What a reference says of the events of a window: evidence and p-values."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from dataflow.items.arrays import Bools
from dataflow.score.evidence.beside import Values
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.members import Doubles
from dataflow.score.evidence.ranks import Ranks
from dataflow.score.evidence.reference import Reference
from dataflow.settings import Score

#: An event is suspect if its novelty is above this quantile of the usual novelties, or if its surge is above
#: ``SURGE``. ``SURGE`` is also where surge begins to count in the sum.
NOVELTY_QUANTILE, SURGE = 0.9, 2.0
#: The least mean excess of the tail of usual values (see :class:`~dataflow.score.evidence.ranks.Ranks`).
#: Without it, an event that is just above many equal values would be infinitely rare.
LEAST_EXCESS = {"novelty": 0.02, "surge": 0.25, "rarity": 0.25, "score": 0.02, "sum": 0.25}


@dataclass(frozen=True)
class Evidence:
    """The evidence of ``n`` events: ``(n,)`` float64 each; NaN where references know too little.

    All values of a column that is not computed (``score.columns``) are NaN.

    ``novelty``, ``surge``, ``rarity``: see :class:`~dataflow.score.evidence.reference.Reference`.
    ``anomaly``: ``-log10`` of the p-value of the chosen evidence. ``suspect``: ``(n,)`` bool, which events
    have to wait before they can be members of the reference.
    """

    novelty: Doubles
    surge: Doubles
    rarity: Doubles
    anomaly: Doubles
    suspect: Bools

    @staticmethod
    def unknown(n: int) -> "Evidence":
        """Nothing is known of ``n`` events."""
        novelty, surge, rarity, anomaly = np.full((4, n), np.nan)
        return Evidence(novelty, surge, rarity, anomaly, np.zeros(n, np.bool_))

    def put(self, which: Any, found: "Evidence") -> None:
        """Set the evidence of the events at ``which``: a slice, or indices."""
        for field in fields(self):
            getattr(self, field.name)[which] = getattr(found, field.name)


def judge(
    reference: Reference,
    events: Features,
    start: int,
    end: int,
    options: Score,
    old: Features | None = None,
) -> Evidence | None:
    """Compare the events of the window ``[start, end)`` with a reference.

    ``None``: the reference knows too little. It needs ``options.reference_least`` members, and as many events
    that can be compared with as many members. With pinned members, ``anomaly`` alone waits for these events.
    ``anomaly`` also waits while the evidence of too many of these events is unknown (``Values.known``).
    ``old``: see :meth:`Reference.values`.
    """
    least, is_pinned = options.reference_least, reference.pinned is not None
    if (len(reference) < least and not is_pinned) or reference.prepare(start, end) < least:
        return None
    usual = reference.usual(least)
    if len(usual) < least and not is_pinned:
        return None
    found = reference.values(events, None if is_pinned else old)
    suspect = found.surge > SURGE
    novelties = usual.known("novelty").novelty
    if len(novelties) >= least:
        suspect |= found.novelty > np.quantile(novelties, NOVELTY_QUANTILE)
    ranked, anomaly = usual.known(options.evidence), np.full(len(events), np.nan)
    if len(ranked) >= least:
        anomaly = _log10(options.evidence, found, ranked)
    return Evidence(found.novelty, found.surge, found.rarity, anomaly, suspect)


def _log10(kind: str, found: Values, usual: Values) -> Doubles:
    """``-log10`` of the p-value of the evidence ``kind``.

    ``sum`` is ``-log10 p(novelty) + max(0, surge - SURGE)``: the sum of two ways to be unusual.
    """
    if kind != "sum":
        return Ranks(getattr(usual, kind), LEAST_EXCESS[kind]).log10(getattr(found, kind))
    ranks = Ranks(usual.novelty, LEAST_EXCESS["novelty"])
    of_usual = ranks.own_log10(usual.novelty) + np.maximum(usual.surge - SURGE, 0.0)
    of_found = ranks.log10(found.novelty) + np.maximum(found.surge - SURGE, 0.0)
    return Ranks(of_usual, LEAST_EXCESS["sum"]).log10(of_found)

"""The settings of drift."""

from typing import Annotated

from pydantic import Field

from dataflow.settings.group import Group


class Drift(Group):
    """Whether windows differ from what came before. Drift needs ``score.reference``; ``sink.drift`` writes a
    row for each window that is large enough, and ``sink.alerts`` the alerts.
    """

    enabled: bool = True
    """Whether windows are tested for drift. Has no effect without ``score.reference``."""

    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Highest chance of any false drift alert in a day of event time, between 0 and 1: for the whole stream,
    or for each key if each key has the budget of alerts (``alert.per``).
    """

    least_rows: Annotated[int, Field(ge=10)] = 50
    """Least events of a window that is tested, at least 10. Smaller windows have no row and no test."""

    block_rows: Annotated[int, Field(ge=1)] | None = None
    """Neighbouring events that a permutation keeps together, at least 1. Unset: as many as the windows of the
    key show to depend on each other.
    """

    clusters: Annotated[int, Field(ge=2, le=100)] = 8
    """Clusters whose shares are compared, from 2 to 100."""

    keys: Annotated[int, Field(ge=1)] = 64
    """Most keys that are tested, at least 1. Each key group has an equal part, of one key at least. A key
    without windows for 24 steps makes room for another one. A key takes about 60 kB in memory and in each
    snapshot for each of its windows that a later window is compared with (384 dimensions).
    """

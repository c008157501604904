"""What happens when the source has new partitions: the process starts again, or says that it has to."""

import logging
from collections.abc import Callable

from dataflow.telemetry import metrics
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)


def on_new_partitions(restart: Callable[[], None] | None) -> Callable[[list[str]], None]:
    """What a source calls with the names of its new partitions.

    ``restart`` stops the flow in order and starts the process again. ``None``: a person has to do that.
    Without a recovery store, a start reads the source from its beginning. And the processes of a cluster
    cannot stop at the same moment by themselves.
    """

    def added(names: list[str]) -> None:
        metrics.NEW_PARTITIONS.inc(len(names))
        how = "the dataflow starts again" if restart else "stop the dataflow and start it again"
        sentence = f"the source has new partitions: {', '.join(names)}; {how}, to read them"
        _log.warning(Line("partitions_added", sentence, partitions=names, restarts=restart is not None))
        if restart:
            restart()

    return added

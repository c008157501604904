"""Finds the partitions that are added to topics while the flow runs, and new topics of an expression.

Bytewax asks a source for its partitions once, at the start. So an added partition is read after the next
start. It must not be read by the reader of another partition: the state of that reader would hold offsets
of two partitions, and after a restart Bytewax gives the added partition, without a state, to some worker of
some process, which cannot know how far the other reader came.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from dataflow.endpoints import kafka
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)


class Discovery:
    """Asks the brokers for the partitions of ``topics`` every ``interval``, in a thread of its own.

    ``added`` is called in this thread with the names of new partitions, once for each.
    """

    def __init__(self, topics: kafka.Topics, interval: timedelta, added: Callable[[list[str]], None]) -> None:
        self._topics, self._interval_s, self._added = topics, interval.total_seconds(), added
        self._known = set(topics.names)
        config = topics.config | {"group.id": "driftline", "enable.auto.commit": False}
        self._consumer = kafka.open_client("Consumer", config)

    def start(self) -> None:
        """Ask from now on, until the process ends."""
        threading.Thread(target=self._run, name="kafka-partitions", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(self._interval_s)
            self.ask()

    def ask(self) -> None:
        """Ask once. Brokers that do not answer are asked again later."""
        try:
            found = kafka.look_up(self._consumer, self._topics.wanted)
        except kafka.library().KafkaException as error:
            _log.debug(Line("source_trouble", f"kafka: no list of partitions: {error.args[0].str()}"))
            return
        names = {
            f"{topic}:{number}"
            for topic, metadata in found.items()
            if metadata.error is None
            for number in metadata.partitions
        }
        if new := sorted(names - self._known):
            self._known |= names
            self._added(new)

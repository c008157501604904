"""``https://HOST/PATH#format=FORMAT``: each change of an incident is posted to a receiver. At least once.

The changes wait in a spool on disk, and a thread posts them. So an outage of the receiver holds nothing back,
until the spool is full. The changes of an incident are posted in their order, one after the other. A change
that is posted again, because no answer came or because the process was killed, has the same
``Idempotency-Key`` and the same body.

The fragment is never sent. It holds the options ``format``, ``header=NAME:VALUE`` and those of the format.
``{NAME}`` in a URI stands for a secret of ``webhook.secrets``.
"""

import logging
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError, SourceError
from dataflow.settings import Settings, Webhook, bytewax_run
from dataflow.sink import Stream
from dataflow.sink.encoding import json_rows
from dataflow.sink.webhook import gauges
from dataflow.sink.webhook.delivery import Delivery, Waits
from dataflow.sink.webhook.receiver import Receiver, receiver
from dataflow.sink.webhook.spool import Change, Spool, lock, names, path_of
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)


def open_sink(settings: Settings, uri: Uri, stream: Stream) -> "WebhookSink":
    """Read the URI, and make the folder of the spool. Connects to nothing: an outage must not stop a start.

    Raises ``SettingsError`` for a wrong URI, and ``SourceError`` if the folder cannot be made.
    """
    found = receiver_of(settings, uri, stream)
    try:
        Path(settings.webhook.spool).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"webhook.spool={settings.webhook.spool}: {error.strerror}") from None
    _report_left(Path(settings.webhook.spool), {str(uri), *settings.sink.alerts})
    return WebhookSink(found, settings.webhook, here=bytewax_run(sys.argv[1:]).process == 0)


def receiver_of(settings: Settings, uri: Uri, stream: Stream) -> Receiver:
    """The receiver that ``uri`` names. Makes nothing. Raises ``SettingsError``."""
    if stream != "alerts":
        raise SettingsError(
            f"sink.{stream}={uri}: only alerts are posted; write sink.alerts, or another sink"
        )
    return receiver(settings, uri)


def _report_left(folder: Path, uris: Collection[str]) -> None:
    """Log in which spools changes wait for a webhook that is not among ``uris``, and that no flow posts."""
    for name in names(folder):
        path = path_of(folder, name)
        try:
            with lock(path):
                spool = Spool(path)
                waiting = spool.counts()["waiting"]
                spool.close()
        except SourceError:  # another flow posts from it
            continue
        if waiting and spool.uri not in uris:
            sentence = (
                f"webhook {name}: {waiting} changes wait for {spool.uri}, which the settings do not name; "
                "name it again to post them"
            )
            _log.warning(Line("webhook_spool_left", sentence, webhook=name, waiting=waiting))


class WebhookSink(FixedPartitionedSink[pa.RecordBatch, dict[str, Any]]):
    """One partition, so only one of all workers has the spool: a worker of the first process, whatever the
    number of processes, because a spool lies on one disk. ``here``: whether this process is the first.
    """

    def __init__(
        self, to: Receiver, options: Webhook, waits: Waits | None = None, *, here: bool = True
    ) -> None:
        self._to, self._options, self._waits, self._here = to, options, waits, here

    def list_parts(self) -> list[str]:
        return [self._to.name] if self._here else []

    def build_part(
        self, step_id: str, for_part: str, resume_state: dict[str, Any] | None
    ) -> "_WebhookPartition":
        return _WebhookPartition(self._to, self._options, self._waits, resume_state)


class _WebhookPartition(StatefulSinkPartition[pa.RecordBatch, dict[str, Any]]):
    """The state says which spool it is, and how many changes wait in it."""

    def __init__(
        self, to: Receiver, options: Webhook, waits: Waits | None, state: dict[str, Any] | None
    ) -> None:
        self._name, self._options = to.name, options
        path = path_of(Path(options.spool), to.name)
        self._lock = lock(path)
        self._spool = Spool(path, to.uri)
        if state and state["waiting"] and state["spool"] != self._spool.id:
            sentence = (
                f"webhook {self._name}: {path} is not the spool of the last run, in which {state['waiting']} "
                "changes waited; they are not posted"
            )
            _log.error(Line("webhook_spool_lost", sentence, webhook=self._name, waiting=state["waiting"]))
        gauges.show(self._name, self._spool)
        self._delivery = Delivery(self._name, self._spool, to.post, options.rate, waits)

    def write_batch(self, values: list[pa.RecordBatch]) -> None:
        changes = [
            Change(incident, sequence, row.removesuffix(b"\n"))
            for batch in values
            for incident, sequence, row in zip(
                *(batch.column(name).to_pylist() for name in ("incident", "sequence")),
                json_rows(batch),
                strict=True,
            )
        ]
        if changes:
            self._wait_for_room()
            self._spool.add(changes, time.time())
            self._delivery.wake()

    def _wait_for_room(self) -> None:
        """Hold the source back while the spool is full."""
        full = False
        while sum(self._spool.counts().values()) >= self._options.spool_rows:
            self._delivery.check()
            if not full:
                sentence = (
                    f"webhook {self._name}: the spool holds {self._options.spool_rows} changes "
                    "(webhook.spool_rows), so the flow waits for the receiver"
                )
                _log.error(Line("webhook_spool_full", sentence, webhook=self._name))
            full = True
            self._delivery.wait(1.0)

    def snapshot(self) -> dict[str, Any]:
        self._delivery.check()
        return {"spool": self._spool.id, "waiting": self._spool.counts()["waiting"]}

    def close(self) -> None:
        ended = self._delivery.stop(self._options.drain.total_seconds())
        gauges.forget(self._name)
        try:
            self._delivery.check()
            if waiting := self._spool.counts()["waiting"]:
                sentence = (
                    f"webhook {self._name}: {waiting} changes wait in the spool; the next start posts them"
                )
                _log.warning(Line("webhook_waiting", sentence, webhook=self._name, waiting=waiting))
        finally:
            if ended:  # if not, the thread still notes the end of its post, and the process ends soon
                self._spool.close()
                self._lock.close()

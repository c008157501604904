"""Gauges of the spools that are open in this process."""

import time

from dataflow.sink.webhook.spool import Spool
from dataflow.telemetry import metrics


def show(name: str, spool: Spool) -> None:
    """From now on, the gauges of the webhook ``name`` show what is in its spool."""
    metrics.WEBHOOK_WAITING.labels(name).set_function(lambda: spool.counts()["waiting"])
    metrics.WEBHOOK_REFUSED.labels(name).set_function(lambda: spool.counts()["refused"])
    metrics.WEBHOOK_OLDEST.labels(name).set_function(lambda: _age(spool))
    for result in ("taken", "refused", "failed"):
        metrics.WEBHOOK_POSTS.labels(name, result)


def forget(name: str) -> None:
    """The spool of the webhook ``name`` closes."""
    for gauge in (metrics.WEBHOOK_WAITING, metrics.WEBHOOK_REFUSED, metrics.WEBHOOK_OLDEST):
        gauge.remove(name)


def _age(spool: Spool) -> float:
    oldest = spool.oldest()
    return 0.0 if oldest is None else max(0.0, time.time() - oldest)

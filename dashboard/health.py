"""The metrics of the flow, and of the model server, as the page shows them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from prometheus_client.parser import text_string_to_metric_families

from dataflow.clock import micros, utc_now
from dataflow.errors import SettingsError

_TIMEOUT_S, _MOST_BYTES = 3.0, 4 << 20
#: A reading is used for so long.
_FRESH_S = 1.0
_OURS, _TRITON = "driftline_", "nv_"
#: The beginning of a name, without ``driftline_`` -> the stage. The first one that fits counts.
_STAGES = {
    "records": "source",
    "batch_records": "source",
    "ambiguous": "source",
    "source": "source",
    "tombstones": "source",
    "dead_letters": "decode",
    "embed": "embed",
    "cache": "embed",
    "tokens": "embed",
    "late": "window",
    "watermark": "window",
    "event_time": "window",
    "jumps": "window",
    "windows_open": "window",
    "state": "window",
    "score": "score",
    "window": "score",
    "event_latency": "score",
    "arrival_latency": "score",
    "reference": "score",
    "drift": "drift",
    "incidents": "alert",
    "alerts": "alert",
    "mark": "alert",
    "webhook": "sink",
    "snapshot": "recovery",
    "recovery": "recovery",
}
_ORDER = ("source", "decode", "embed", "window", "score", "drift", "alert", "sink", "recovery", "other")
_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Value:
    """``rate``: the growth of a counter in a second; of a histogram, that of its count. ``None``: unknown."""

    name: str
    labels: Mapping[str, str]
    value: float | None
    rate: float | None

    def described(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "labels": dict(self.labels),
            "value": self.value,
            "rate": self.rate,
            "unit": _unit(self.name),
        }


@dataclass
class _Reading:
    """``sums``: name and labels -> the value of a counter, at the time ``at`` (monotonic seconds)."""

    at: float
    sums: dict[tuple[str, _Labels], float] = field(default_factory=dict)


def checked_url(url: str) -> str:
    """The URL of a metrics endpoint. Raises ``SettingsError``.

    >>> checked_url("http://localhost:3030/metrics")
    'http://localhost:3030/metrics'
    >>> checked_url("localhost:3030")
    Traceback (most recent call last):
    dataflow.errors.SettingsError: --metrics localhost:3030: write http://HOST:PORT/metrics
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"--metrics {url}: write http://HOST:PORT/metrics")
    if parts.username or parts.password:
        raise SettingsError(
            "--metrics: a user and a password do not belong in a URL; use a proxy that adds them"
        )
    return url


class Health:
    """Reads metrics endpoints: of the processes of a flow, and of Triton. Threads may share an object."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._lock = Lock()
        # The endpoints are near; a proxy of the environment leads elsewhere.
        self._opener = build_opener(ProxyHandler({}))
        self._last: dict[str, _Reading] = {}
        self._answer: tuple[float, dict[str, Any]] | None = None

    def read(self) -> dict[str, Any]:
        """What ``/api/health`` answers."""
        with self._lock:
            if self._answer is None or monotonic() - self._answer[0] > _FRESH_S:
                self._answer = (monotonic(), self._read())
            return self._answer[1]

    def texts(self) -> dict[str, str]:
        """What each endpoint says that answers."""
        found = {}
        for url in self._urls:
            with suppress(HTTPException, OSError):
                found[url] = self._text(url)
        return found

    def _read(self) -> dict[str, Any]:
        values: list[_Value] = []
        problems = []
        for url in self._urls:
            try:
                values += self._values(url, self._text(url))
            except (HTTPException, ValueError, OSError) as error:
                reason = str(getattr(error, "reason", error)).splitlines()[0][:200]
                problems.append(
                    f"{url} gives no metrics ({reason}); start the flow with BYTEWAX_DATAFLOW_API_ENABLED=1"
                )
        return {
            "reachable": len(problems) < len(self._urls),
            "message": " ".join(problems),
            "stages": _stages(value for value in values if value.name.startswith(_OURS)),
            "triton": _models(value for value in values if value.name.startswith(_TRITON)),
            "read_at": micros(utc_now()),
        }

    def _text(self, url: str) -> str:
        with self._opener.open(url, timeout=_TIMEOUT_S) as answer:
            content: bytes = answer.read(_MOST_BYTES)
        return content.decode("utf-8", "replace")

    def _values(self, url: str, text: str) -> list[_Value]:
        before, now = self._last.get(url), _Reading(monotonic())
        found = []
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.endswith(("_bucket", "_created", "_sum")):
                    continue
                value: float | None = sample.value if math.isfinite(sample.value) else None
                rate = None
                if family.type in ("counter", "histogram", "summary") and value is not None:
                    place = sample.name, tuple(sorted(sample.labels.items()))
                    now.sums[place] = value
                    if before is not None and place in before.sums:
                        grown = max(0.0, value - before.sums[place])
                        rate = grown / max(now.at - before.at, 1e-3)
                found.append(_Value(sample.name, sample.labels, value, rate))
        self._last[url] = now
        return found


def _stages(values: Iterable[_Value]) -> list[dict[str, Any]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for value in values:
        name = value.name.removeprefix(_OURS)
        stage = next((stage for start, stage in _STAGES.items() if name.startswith(start)), "other")
        found.setdefault(stage, []).append(value.described())
    return [{"stage": stage, "metrics": found[stage]} for stage in _ORDER if stage in found]


def _models(values: Iterable[_Value]) -> list[dict[str, Any]]:
    """Of each model that Triton serves, its metrics."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for value in values:
        if "model" in value.labels:
            found.setdefault((value.labels["model"], value.labels.get("version", "")), []).append(
                value.described()
            )
    return [{"model": model, "version": version, "metrics": some} for (model, version), some in found.items()]


def _unit(name: str) -> str | None:
    plain = name.removesuffix("_total").removesuffix("_count")
    if plain.endswith("_timestamp_seconds"):
        return "time"
    for end, unit in (("_seconds", "s"), ("_bytes", "B"), ("_us", "us")):
        if plain.endswith(end):
            return unit
    return None

"""All settings, in one group for each stage."""

from typing import Any, Literal

from pydantic import model_validator

from dataflow.settings.alert import Alert
from dataflow.settings.delta import Delta
from dataflow.settings.drift import Drift
from dataflow.settings.embed import Embed
from dataflow.settings.group import Group
from dataflow.settings.kafka import Kafka
from dataflow.settings.log import Log
from dataflow.settings.profiles import Profile, with_profile
from dataflow.settings.registry import Registry
from dataflow.settings.score import Score
from dataflow.settings.sink import Sink
from dataflow.settings.source import Source
from dataflow.settings.webhook import Webhook
from dataflow.settings.window import Window


class Settings(Group):
    """All settings. :func:`dataflow.settings.load.load` builds it from the environment; tests build it
    directly.
    """

    profile: Profile = "prose"
    """Kind of the texts: ``prose``, or ``logs`` for lines that programs write. It changes the defaults of
    several settings; each setting that you write wins.
    """

    source: Source = Source()
    """The source of the records, and where a record holds the event."""

    kafka: Kafka = Kafka()
    """How to connect to Kafka, for the source and for the sinks."""

    registry: Registry = Registry()
    """How to reach the schema registry of a Kafka source."""

    delta: Delta = Delta()
    """How to reach Delta tables, for the source and for the sinks, and how sinks make files."""

    embed: Embed = Embed()
    """The embedder, which turns texts into vectors."""

    window: Window = Window()
    """Event-time windows."""

    score: Score = Score()
    """The scorer and its parameters."""

    drift: Drift = Drift()
    """Whether windows differ from what came before."""

    alert: Alert = Alert()
    """Which events alert, and how alerts become incidents."""

    sink: Sink = Sink()
    """Where each output stream goes."""

    webhook: Webhook = Webhook()
    """How alerts are posted to webhooks."""

    log: Log = Log()
    """Logs and traces."""

    @model_validator(mode="before")
    @classmethod
    def _profile_gives_defaults(cls, values: dict[str, Any]) -> dict[str, Any]:
        return with_profile(values)

    @model_validator(mode="after")
    def _alerts_can_be_decided(self) -> "Settings":
        if self.sink.alerts and not self.score.reference:
            raise ValueError("sink.alerts needs a reference: set score.reference = true")
        if self.sink.drift and not (self.score.reference and self.drift.enabled):
            raise ValueError(
                "sink.drift needs tests of drift: set score.reference = true and drift.enabled = true"
            )
        if self.alert.marks is not None and not self.score.reference:
            raise ValueError("alert.marks needs a reference: set score.reference = true")
        if self.alert.early:
            self._check_early()
        if self.window.watermark == "key" and self.alert.per == "stream":
            raise ValueError(
                "alert.per = stream: with window.watermark = key, the windows of two keys have no common "
                "order, so keys cannot share a budget: set alert.per = key"
            )
        return self

    def _check_early(self) -> None:
        if not self.score.reference:
            raise ValueError("alert.early needs a reference: set score.reference = true")
        if self.score.evidence == "score":
            raise ValueError(
                "alert.early: with score.evidence = score, an event has a p-value only when its window ends: "
                "set score.evidence = sum, or alert.early = false"
            )
        if self.window.kind == "session" or self.window.watermark == "key":
            raise ValueError(
                "alert.early needs windows that all keys share: set window.kind = sliding or tumbling and "
                "window.watermark = stream, or alert.early = false"
            )


def has_budget(alert: Alert, window: Window) -> Literal["stream", "key"]:
    """What has the budget of alerts: ``alert.per``, or what it is if it is unset."""
    return alert.per or ("key" if window.watermark == "key" else "stream")


#: Stage -> the class of its group.
STAGES: dict[str, type[Group]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Group)
}

"""How to connect to Kafka."""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, SecretStr

from dataflow.settings.group import Group
from dataflow.settings.values import Positive, duration, table

_BROKERS = "the URI names the brokers"
_NO_GROUP = "the recovery store keeps the offsets, and no consumer group is used"
_SAFE_ROWS = "a snapshot must find all rows at the brokers"
_CALLBACK = "is a function of a program, not a setting"
#: Settings of librdkafka that Driftline makes itself -> why, or what to write instead.
_OWN = {
    "bootstrap.servers": _BROKERS,
    "metadata.broker.list": _BROKERS,
    "group.id": _NO_GROUP,
    "group.instance.id": _NO_GROUP,
    "group.protocol": _NO_GROUP,
    "enable.auto.commit": _NO_GROUP,
    "auto.commit.enable": _NO_GROUP,
    "enable.auto.offset.store": _NO_GROUP,
    "auto.offset.reset": "write ?start= in the URI of the source",
    "enable.partition.eof": "write ?tail= in the URI of the source",
    "queued.max.messages.kbytes": "set source.batch_bytes",
    "enable.idempotence": _SAFE_ROWS,
    "acks": _SAFE_ROWS,
    "request.required.acks": _SAFE_ROWS,
    "delivery.report.only.error": _SAFE_ROWS,
    "transactional.id": "the sink makes no transactions",
    "message.max.bytes": "max.message.bytes of the topic decides",
    "on_commit": _CALLBACK,
    "on_delivery": _CALLBACK,
    "logger": _CALLBACK,
}


def _flat(options: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    """The names and values of ``options``. In TOML, ``a.b = 1`` without quotes makes a table in a table."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, str | int | float):
            yield f"{before}{name}", json.dumps(value) if isinstance(value, bool) else str(value)
        else:
            raise ValueError(f"{before}{name}: not a text, a number, or true or false")


def _options(value: object) -> object:
    """A table, or the text of a JSON object, as the text of a JSON object of texts."""
    if (found := table(value)) is None:
        raise ValueError('not options; write a JSON object, as in {"client.rack": "eu-central-1a"}')
    options = dict(_flat(found))
    for name in options:
        own = _OWN.get(name) or (_CALLBACK if name.endswith("_cb") else None)
        if own is None and (field := name.replace(".", "_")) in Kafka.model_fields:
            own = f"set kafka.{field}"
        if own:
            raise ValueError(f"{name} cannot be set here: {own}")
    return json.dumps(options)


class Kafka(Group):
    """How to connect to Kafka, for the source and for the sinks. The settings up to ``options`` are the
    settings of librdkafka with the same name, with ``.`` in place of ``_``; unset: the default of librdkafka.
    """

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None = None
    """Protocol of the connection to the brokers. Unset: ``PLAINTEXT``."""

    sasl_mechanism: str | None = None
    """SASL mechanism, for example ``PLAIN`` or ``SCRAM-SHA-512``. Unset: ``GSSAPI``; it matters only with a
    ``SASL_`` protocol.
    """

    sasl_username: str | None = None
    """User name for SASL. Unset: none is sent."""

    sasl_password: SecretStr | None = None
    """Password for SASL; it is never logged. Unset: none is sent."""

    ssl_ca_location: str | None = None
    """Path of the certificates (PEM) of the authorities that brokers are checked against. Unset: the
    authorities that the system trusts.
    """

    ssl_certificate_location: str | None = None
    """Path of the certificate (PEM) that the client shows to the brokers. Unset: the client shows none."""

    ssl_key_location: str | None = None
    """Path of the private key (PEM) of ``ssl_certificate_location``. Unset: there is no key."""

    ssl_key_password: SecretStr | None = None
    """Password of the private key; it is never logged. Unset: the key has no password."""

    options: Annotated[SecretStr, BeforeValidator(_options)] | None = None
    """Any other settings of librdkafka, a JSON object (in TOML also a table), for example
    ``{"client.rack": "eu-central-1a", "compression.type": "zstd"}``; never logged. Settings that Driftline
    makes itself are refused. Unset: the defaults of librdkafka.
    """

    discover_interval: Positive = duration("30s")
    """How often the source asks the brokers for new partitions, and for new topics that its regular
    expression matches.
    """

    @property
    def librdkafka(self) -> dict[str, str]:
        """The settings that have a value, under the names of librdkafka, with secrets."""
        named = self.model_dump(exclude={"options", "discover_interval"}, exclude_none=True)
        others: dict[str, str] = json.loads(_text(self.options or "{}"))
        return {name.replace("_", "."): _text(value) for name, value in named.items()} | others


def _text(value: SecretStr | str) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value

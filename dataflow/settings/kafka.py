"""How to connect to Kafka."""

from typing import Literal

from pydantic import SecretStr

from dataflow.settings.group import Group


class Kafka(Group):
    """How to connect to Kafka, for the source and for the sinks. Each setting is the setting of librdkafka
    with the same name, with ``.`` in place of ``_``; unset: the default of librdkafka.
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

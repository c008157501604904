"""How to reach a schema registry."""

from pydantic import SecretStr

from dataflow.settings.group import Group
from dataflow.settings.values import NotNegative, duration


class Registry(Group):
    """How to reach the schema registry of a Kafka source with ``format=avro`` or ``format=protobuf``."""

    url: str | None = None
    """URL of the registry, as in ``https://registry:8081``; several URLs, separated by commas, are tried in
    turn. Unset: there is no registry.
    """

    username: str | None = None
    """User name for HTTP basic authentication. Unset: none is sent."""

    password: SecretStr | None = None
    """Password for HTTP basic authentication; it is never logged. Unset: it is empty."""

    ssl_ca_location: str | None = None
    """Path of the certificates (PEM) of the authorities that the registry is checked against. Unset: those of
    the package certifi.
    """

    max_outage: NotNegative = duration("5m")
    """How long the registry may give no answer before the dataflow ends with code 1. Until then, the dataflow
    waits and asks again.
    """

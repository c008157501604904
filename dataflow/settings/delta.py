"""How to reach Delta tables, and how rows become files there."""

import json
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr

from dataflow.settings.group import Group
from dataflow.settings.values import NotNegative, Positive, duration, table


def _options(value: object) -> object:
    """A table of texts, or the text of a JSON object of texts, as the text of a JSON object."""
    found = table(value)
    if found is None or not all(isinstance(each, str) for each in found.values()):
        raise ValueError('not options; write a JSON object of texts, as in {"AWS_REGION": "eu-central-1"}')
    return json.dumps(found)


class Delta(Group):
    """How to reach Delta tables, for the source, the sinks and marks, and how sinks make files."""

    storage_options: Annotated[SecretStr, BeforeValidator(_options)] | None = None
    """Options of the object store, a JSON object of texts (in TOML also a table), for example
    ``{"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "https://minio:9000"}``; never logged. Unset: those
    that the environment gives (``AWS_...``, ``GOOGLE_...``, ``AZURE_...``).
    """

    poll_interval: Positive = duration("1s")
    """How often the source asks for a new version of its table, and marks for one of theirs."""

    append_every: NotNegative = duration("1m")
    """How long rows wait in a sink, so that there are fewer and larger files. Rows are appended at the first
    snapshot after that. ``0s``: at each snapshot.
    """

    append_bytes: Annotated[int, Field(ge=1)] = 16 << 20
    """Bytes of rows in memory at which a sink appends them at once, at least 1."""

    @property
    def options(self) -> dict[str, str]:
        """The options of the object store, with secrets."""
        found: dict[str, str] = json.loads(
            self.storage_options.get_secret_value() if self.storage_options else "{}"
        )
        return found

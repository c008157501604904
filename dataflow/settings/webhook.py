"""How alerts are posted to webhooks."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from dataflow.settings.group import Group
from dataflow.settings.values import NotNegative, Positive

_SECRET = re.compile(r"([A-Za-z_]\w*)=([\x21-\x7e]+)")


def secrets_of(text: SecretStr | None) -> dict[str, str]:
    """Name -> secret, as ``webhook.secrets`` says. Raises ``ValueError``, which quotes no secret.

    >>> secrets_of(SecretStr("slack=T0/B0/x1 api=s3=cret"))
    {'slack': 'T0/B0/x1', 'api': 's3=cret'}
    """
    found: dict[str, str] = {}
    for number, part in enumerate(text.get_secret_value().split() if text else (), 1):
        match = _SECRET.fullmatch(part)
        if match is None:
            raise ValueError(f"entry {number} is not NAME=SECRET in printable ASCII")
        found[match[1]] = match[2]
    return found


def _secrets(text: SecretStr) -> SecretStr:
    secrets_of(text)
    return text


class Webhook(Group):
    """How the sinks ``https://...`` and ``http://...`` post alerts. The settings hold for each webhook; what
    differs between webhooks (the format, headers) stands in the fragment of the URI.
    """

    secrets: Annotated[SecretStr, AfterValidator(_secrets)] | None = None
    """Secrets, each as ``NAME=SECRET``, separated by blanks; they are never logged. ``{NAME}`` in the URI of
    a webhook is replaced by the secret. Unset: there are none.
    """

    spool: str = "out/webhook"
    """Folder of the spools: a change of an incident waits there until the receiver has it."""

    spool_rows: Annotated[int, Field(ge=1)] = 10_000
    """Most changes that wait in the spool of a webhook or are kept there as refused, at least 1. If there are
    as many, the sink holds the source back.
    """

    rate: Annotated[int, Field(ge=1)] = 60
    """Most posts to a webhook in a minute, at least 1. A sixth of them may follow each other at once."""

    timeout: Positive = timedelta(seconds=10)
    """How long a post may take. A post that takes longer is sent again."""

    drain: NotNegative = timedelta(seconds=5)
    """How long the end of the input or a stop waits for the spool to be empty. The next start posts the rest.
    SIGTERM leaves 10 s for the whole stop.
    """

    ca: str | None = None
    """Path of the certificates (PEM) of the authorities that receivers are checked against. Unset: the
    authorities that the system trusts.
    """

"""Reads schemas from a schema registry, by their ids.

A registry that gives no answer is asked again, for as long as ``registry.max_outage`` allows: an outage is
never taken for bad data. The client of ``confluent-kafka`` is used.
"""

import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from dataflow.endpoints.outage import Outage
from dataflow.errors import DriftlineError, SettingsError, SourceError
from dataflow.settings import Registry as RegistrySettings

#: How long one request may take, in seconds.
_TIMEOUT_S = 10
#: How long a schema that the registry does not know is not asked for again, in seconds.
_UNKNOWN_S = 60.0
_NOT_FOUND = 404
#: A registry that answers so refuses the user.
_REFUSED = (401, 403)
_MESSAGE_CHARACTERS = 200

T = TypeVar("T")


class UnknownSchemaError(DriftlineError):
    """The registry has no such schema, or a schema that cannot be used."""


class Registry:
    """The schemas of a registry. Threads may share this object.

    ``began(cause)`` is called when an outage begins, ``ended(seconds, retries)`` when it ends.
    """

    def __init__(
        self,
        options: RegistrySettings,
        *,
        began: Callable[[str], None],
        ended: Callable[[float, int], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if options.url is None:
            raise SettingsError("registry.url: set it to the URL of the schema registry")
        if "@" in options.url:
            raise SettingsError(
                "registry.url: a user and a password do not belong in a URL; set registry.username and "
                "DRIFTLINE_REGISTRY__PASSWORD"
            )
        self._url, self._clock = options.url, clock
        config: dict[str, Any] = {"url": options.url, "timeout": _TIMEOUT_S, "max.retries": 0}
        if options.username is not None:
            password = options.password.get_secret_value() if options.password else ""
            config["basic.auth.user.info"] = f"{options.username}:{password}"
        if options.ssl_ca_location is not None:
            config["ssl.ca.location"] = options.ssl_ca_location
        self._library = _library()
        try:
            self._client = self._library.SchemaRegistryClient(config)
        except (OSError, ValueError) as error:
            raise SettingsError(f"registry.url={options.url}: {error}") from None
        server = f"the schema registry at {options.url}"
        remedy = "start the flow again when it is back, or raise DRIFTLINE_REGISTRY__MAX_OUTAGE"
        self._outage = Outage(
            server, options.max_outage, remedy, sleep=sleep, clock=clock, began=began, ended=ended
        )
        self._parsed: dict[tuple[object, int], Any] = {}
        self._unknown: dict[int, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def schema(self, id: int, format: str | None, parse: Callable[[Any, "Registry"], T]) -> T:
        """What ``parse`` makes of the schema ``id`` and this registry; ``parse`` is called once.

        ``format``: how the registry writes the schema; ``None``: as it was registered. Raises
        ``UnknownSchemaError``, ``SourceError`` if the registry refuses the user, and ``OutageError``.
        """
        key = (parse, id)
        with self._lock:
            if key not in self._parsed:
                self._parsed[key] = self._ask(id, format, parse)
            found: T = self._parsed[key]
            return found

    def _ask(self, id: int, format: str | None, parse: Callable[[Any, "Registry"], T]) -> T:
        until, why = self._unknown.get(id, (0.0, ""))
        if self._clock() < until:
            raise UnknownSchemaError(why)
        try:
            schema = self._answer(f"schema {id}", lambda: self._client.get_schema(id, fmt=format))
            try:
                return parse(schema, self)
            except DriftlineError:
                raise
            except Exception as error:  # any text may be registered
                why = (
                    f"schema {id} cannot be used: {type(error).__name__}: {str(error)[:_MESSAGE_CHARACTERS]}"
                )
                raise UnknownSchemaError(why) from None
        except UnknownSchemaError as error:
            self._unknown[id] = (self._clock() + _UNKNOWN_S, str(error))
            raise

    def referenced(self, reference: Any, format: str | None) -> Any:
        """The schema that ``reference``, a reference in another schema, names. Raises as :meth:`schema`."""
        subject, version = reference.subject, reference.version
        what = f"version {version} of {subject}"
        return self._answer(what, lambda: self._client.get_version(subject, version, fmt=format)).schema

    def _answer(self, what: str, ask: Callable[[], Any]) -> Any:
        attempt = 0
        while True:
            try:
                answer = ask()
            except self._library.SchemaRegistryError as error:
                status = error.http_status_code
                if status == _NOT_FOUND:
                    self._outage.over()
                    raise UnknownSchemaError(f"the registry has no {what}") from None
                if status in _REFUSED:
                    raise SourceError(
                        f"registry.url={self._url}: refuses the user ({status}); set registry.username"
                    ) from None
                cause = f"status {status}"
            except Exception as error:  # the errors of its HTTP client, and answers that are no JSON
                cause = f"{type(error).__name__}: {str(error)[:_MESSAGE_CHARACTERS]}"
            else:
                self._outage.over()
                return answer
            self._outage.wait(cause, attempt)
            attempt += 1


def _library() -> ModuleType:
    try:
        import confluent_kafka.schema_registry  # noqa: PLC0415  (an extra)
    except ImportError:
        raise SettingsError(
            "kafka: the client of schema registries is not installed; pip install 'driftline[registry]'"
        ) from None
    module: ModuleType = confluent_kafka.schema_registry
    return module

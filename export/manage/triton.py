"""A running Triton in explicit mode: states of its versions, their traffic, load and unload."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import tritonclient.grpc as client
from tritonclient.utils import InferenceServerException

from dataflow import settings
from dataflow.embed.repository import ENCODER, MODEL
from export import key
from export.errors import FailedError

_QUICK_SECONDS = 10.0
#: TensorRT takes minutes to compile a large model.
_LOAD_SECONDS = 900.0


class State(NamedTuple):
    """The state of one version of one model. ``reason``: why the version is not READY."""

    name: str
    reason: str


@dataclass(frozen=True)
class Traffic:
    """What a version answered since it was loaded. ``mean_ms``: of a request, with its wait in the queue."""

    requests: int
    texts: int
    failed: int
    mean_ms: float


class RunningTriton:
    """A connection to a running Triton. Raises ``FailedError`` if the server cannot or does not do something.

    ``key_file``: holds the server's key, see :mod:`export.key`. It is read before each request, because a
    server that is started again has a new key. A server that asks for no key needs no file.
    """

    def __init__(self, options: settings.Embed, key_file: Path) -> None:
        self.url = options.url
        self._key_file = key_file
        tls = {
            "ssl": options.tls_ca is not None,
            "root_certificates": options.tls_ca and str(options.tls_ca),
            "certificate_chain": options.tls_certificate and str(options.tls_certificate),
            "private_key": options.tls_key and str(options.tls_key),
        }
        self._client: Any = client.InferenceServerClient(options.url, **tls)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def states(self) -> dict[tuple[str, int], State]:
        """(model, version) -> its state, of all that the server has tried to load."""
        with self._request("list models") as headers:
            index = self._client.get_model_repository_index(headers, client_timeout=_QUICK_SECONDS)
        return {
            (model.name, int(model.version)): State(model.state, " ".join(model.reason.split()))
            for model in index.models
            if model.version and model.name in (MODEL, ENCODER)
        }

    def ready(self) -> list[int]:
        """The versions that embed texts now, ascending."""
        states = self.states()
        return sorted(
            version for (model, version), state in states.items() if (model, state.name) == (MODEL, "READY")
        )

    def traffic(self) -> dict[int, Traffic]:
        """Version -> what it answered."""
        with self._request("return statistics") as headers:
            answer = self._client.get_inference_statistics(headers=headers, client_timeout=_QUICK_SECONDS)
        found = {}
        for model in answer.model_stats:
            if model.name == MODEL:
                done, failed = model.inference_stats.success, model.inference_stats.fail.count
                mean = done.ns / done.count / 1e6 if done.count else 0.0
                found[int(model.version)] = Traffic(done.count + failed, model.inference_count, failed, mean)
        return found

    def load(self, model: str) -> None:
        """Load the versions that the model's config asks for, and then unload the others."""
        with self._request(f"load {model}") as headers:
            self._client.load_model(model, headers, client_timeout=_LOAD_SECONDS)

    def unload(self, model: str) -> None:
        """Unload all versions."""
        with self._request(f"unload {model}") as headers:
            self._client.unload_model(model, headers, client_timeout=_QUICK_SECONDS)

    @contextmanager
    def _request(self, what: str) -> Iterator[dict[str, str]]:
        """The headers of a request. The client's exception becomes a ``FailedError``, which says what Triton
        does not do and why.
        """
        headers, no_key_because = _headers(self._key_file)
        try:
            yield headers
        except InferenceServerException as error:
            message = " ".join(str(error.message()).split())
            if key.METADATA in message:
                raise FailedError(
                    f"Triton at {self.url} does not {what} without its key, and {self._key_file}: "
                    f"{no_key_because or 'holds the key of another server'}; name the file that the "
                    "server wrote when it started: --key-file FILE"
                ) from None
            why = "connection refused; is it running?" if "Connection refused" in message else message[:400]
            raise FailedError(f"Triton at {self.url} does not {what}: {why}") from None


def _headers(path: Path) -> tuple[dict[str, str], str]:
    """The headers with the key in ``path``. Without a key: no headers, and the reason."""
    try:
        return {key.METADATA: key.read(path)}, ""
    except OSError as error:
        return {}, str(error.strerror)
    except UnicodeDecodeError:
        return {}, "not a key"

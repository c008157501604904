"""A running Triton in explicit mode, as its operator sees it: states of versions, traffic, load, unload."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tritonclient.grpc as client
from tritonclient.utils import InferenceServerException

from dataflow import settings
from export import key
from export.errors import FailedError
from export.repository.configs import ENCODER, MODEL

_QUICK_SECONDS = 10.0
#: A large model that TensorRT plans anew takes minutes.
_LOAD_SECONDS = 900.0


@dataclass(frozen=True)
class Traffic:
    """Since the version was loaded. ``mean_ms``: of a request, its wait in the queue included."""

    requests: int
    texts: int
    failed: int
    mean_ms: float


class Control:
    """Raises ``FailedError`` for whatever the server cannot or will not do.

    ``key_file``: with the server's key, see :mod:`export.key`; it may be absent where a server asks for none.
    """

    def __init__(self, options: settings.Embed, key_file: Path) -> None:
        self.url = options.url
        self._key_file = key_file
        self._headers, self._without = _headers(key_file)
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

    def states(self) -> dict[tuple[str, int], tuple[str, str]]:
        """(model, version) -> state and, if not READY, why; of all that the server has tried to load."""
        with self._told("list models"):
            index = self._client.get_model_repository_index(self._headers, client_timeout=_QUICK_SECONDS)
        return {
            (model.name, int(model.version)): (model.state, " ".join(model.reason.split()))
            for model in index.models
            if model.version and model.name in (MODEL, ENCODER)
        }

    def ready(self) -> list[int]:
        """The versions that answer texts, ascending."""
        states = self.states()
        return sorted(
            version for (model, version), (state, _) in states.items() if (model, state) == (MODEL, "READY")
        )

    def traffic(self) -> dict[int, Traffic]:
        """Version -> what it has answered."""
        with self._told("give statistics"):
            answer = self._client.get_inference_statistics(
                headers=self._headers, client_timeout=_QUICK_SECONDS
            )
        found = {}
        for model in answer.model_stats:
            if model.name == MODEL:
                done, failed = model.inference_stats.success, model.inference_stats.fail.count
                mean = done.ns / done.count / 1e6 if done.count else 0.0
                found[int(model.version)] = Traffic(done.count + failed, model.inference_count, failed, mean)
        return found

    def load(self, model: str) -> None:
        """Load what the model's config asks for; what it no longer asks for is let go after that."""
        with self._told(f"load {model}"):
            self._client.load_model(model, self._headers, client_timeout=_LOAD_SECONDS)

    def unload(self, model: str) -> None:
        """Unload a version of a model."""
        with self._told(f"unload {model}"):
            self._client.unload_model(model, self._headers, client_timeout=_QUICK_SECONDS)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except InferenceServerException as error:
            said = " ".join(str(error.message()).split())
            if key.METADATA in said:
                raise FailedError(
                    f"Triton at {self.url} does not {what} without its key, and {self._key_file}: "
                    f"{self._without or 'holds the key of another server'}; name the file that the server "
                    "wrote at its start with --key-file"
                ) from None
            why = "connection refused; is it running?" if "Connection refused" in said else said[:400]
            raise FailedError(f"Triton at {self.url} does not {what}: {why}") from None


def _headers(path: Path) -> tuple[dict[str, str], str]:
    """With the key in ``path``, or none, and why there is none."""
    try:
        return {key.METADATA: key.read(path)}, ""
    except OSError as error:
        return {}, str(error.strerror)
    except UnicodeDecodeError:
        return {}, "not a key"

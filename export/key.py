"""The key of a server. Without it, a client can embed texts, read metadata and ask for health, nothing more.

A client that may load a model can run code as the server's user: a request to load can contain a ``model.py``
of its own. Triton asks for the key in a header of each request to the interfaces that are named here.
"""

import os
from pathlib import Path

from export.errors import SidecarError

#: The HTTP header with the key.
HEADER = "driftline-key"
#: The name of that header in the metadata of a gRPC request.
METADATA = f"triton-grpc-protocol-{HEADER}"
#: The interfaces that need the key over gRPC: all but health, metadata, inference and model-config, which the
#: dataflow calls.
CLOSED_GRPC = "shared-memory,model-repository,statistics,trace,logging"
#: The interfaces that need the key over HTTP: all but health, because any web page can send requests there.
CLOSED_HTTP = f"metadata,inference,model-config,{CLOSED_GRPC}"


def flags(key: str, *, http: bool) -> list[str]:
    """The arguments that make a server ask for ``key``. ``http``: also on its HTTP port."""
    grpc = f"--grpc-restricted-protocol={CLOSED_GRPC}:{HEADER}={key}"
    return [grpc, f"--http-restricted-api={CLOSED_HTTP}:{HEADER}={key}"] if http else [grpc]


def write(path: Path, key: str) -> None:
    """Write the key into a new file that only this user can read. Raises ``SidecarError`` if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(key)
    except OSError as error:
        raise SidecarError(f"{path}: {error.strerror}; name another file with --key-file") from None


def read(path: Path) -> str:
    """The key in ``path``. Raises ``OSError``, or ``UnicodeDecodeError`` if the file holds no key."""
    return path.read_text(encoding="ascii").strip()

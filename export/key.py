"""The key without which a server only embeds texts and says what it serves and whether it is ready.

Who may load a model runs code as the server's user: a request to load can bring a ``model.py`` of its own.
Triton asks for the key in a header of each request to one of the interfaces named here.
"""

import os
from pathlib import Path

from export.errors import SidecarError

#: The HTTP header with the key.
HEADER = "driftline-key"
#: The same for gRPC.
METADATA = f"triton-grpc-protocol-{HEADER}"
#: Left open over gRPC: health, metadata, inference and model-config, which the dataflow calls.
GRPC = "shared-memory,model-repository,statistics,trace,logging"
#: Left open over HTTP: health. A web page can send requests there from wherever it comes.
HTTP = f"metadata,inference,model-config,{GRPC}"


def flags(key: str, *, http: bool) -> list[str]:
    """The server's arguments, ``http``: with those of its HTTP port."""
    grpc = f"--grpc-restricted-protocol={GRPC}:{HEADER}={key}"
    return [grpc, f"--http-restricted-api={HTTP}:{HEADER}={key}"] if http else [grpc]


def write(path: Path, key: str) -> None:
    """Put the key where only this user can read it, in a new file. Raises ``SidecarError``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(key)
    except OSError as error:
        raise SidecarError(f"{path}: {error.strerror}; name another file with --key-file") from None


def read(path: Path) -> str:
    """The key in ``path``. Raises ``OSError``; ``UnicodeDecodeError`` if it is no key."""
    return path.read_text(encoding="ascii").strip()

"""Puts an exported version into a model repository: graph, tokenizer, served code, configs, ``spec.json``.

:class:`dataflow.embed.repository.Layout` says where each file is. The encoder's ``spec.json`` is written
last: a version without it is incomplete.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from dataflow.embed.repository import Layout
from export.errors import ExportError
from export.repository import configs, version_policy

#: Increases when the export itself changes, so that models exported before are exported again.
FORMAT = 2

_CHECKOUT = Path(__file__).parents[2]
#: The code that is copied into each version: file name -> the original.
_SERVED_CODE = {
    "model.py": Layout(_CHECKOUT / "model_repo").model / "model.py",
    "tokens.py": _CHECKOUT / "dataflow" / "embed" / "tokens.py",
    "wordpieces.py": _CHECKOUT / "dataflow" / "embed" / "wordpieces.py",
}


@dataclass(frozen=True)
class Spec:
    """The content of ``spec.json``: what a version is made from, and how well it agrees with the reference.

    Sums are SHA-256 in hex. ``parity`` is the largest difference from the reference in any component; the
    cosines are to the reference, their mean and the lowest one. ``kept`` is the share of anomalies that are
    still anomalies, for precisions whose gate asks for it.
    """

    name: str
    source: str
    weights_sha256: str
    tokenizer_sha256: str
    graph_sha256: str
    dim: int
    max_tokens: int
    pooling: str
    normalize: bool
    precision: str
    parity: float
    cosine: float = 1.0
    cosine_min: float = 1.0
    kept: float | None = None
    device: configs.Device = "auto"
    format: int = FORMAT

    @property
    def sha256(self) -> str:
        """A sum of all that determines the vectors: two versions with equal sums compute equal vectors."""
        parts = (self.graph_sha256, self.tokenizer_sha256, self.precision)
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def read_spec(layout: Layout) -> Spec | None:
    """The ``spec.json`` of a version, or None if there is none that this export understands."""
    try:
        written = json.loads(layout.spec.read_text(encoding="utf-8"))
        return Spec(**{name: value for name, value in written.items() if name != "sha256"})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def install(layout: Layout, built: Layout, spec: Spec) -> None:
    """Move the files of ``built`` to the served version ``layout``. Both are in one file system."""
    layout.spec.unlink(missing_ok=True)
    layout.encoder.mkdir(parents=True, exist_ok=True)
    layout.model.mkdir(parents=True, exist_ok=True)
    os.replace(built.graph, layout.graph)
    os.replace(built.tokenizer, layout.tokenizer)
    os.replace(built.reference, layout.reference)
    write_served_files(layout, spec)


def write_served_files(layout: Layout, spec: Spec) -> None:
    """Write the code, the configs and the ``spec.json`` of a version where they are missing or differ."""
    for name, path in _SERVED_CODE.items():
        try:
            _write_if_different(layout.model / name, path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ExportError(f"{path}: {error.strerror}; run the export from a checkout") from None
    model = configs.model_config(spec.dim, spec.device)
    encoder = configs.encoder_config(spec.dim, spec.precision, spec.device, spec.max_tokens)
    for path, text in ((layout.config, model), (layout.encoder_config, encoder)):
        _write_if_different(path, version_policy.with_policy_of(path, text))
    content = json.dumps(asdict(spec) | {"sha256": spec.sha256}, indent=2) + "\n"
    for path in (layout.served_spec, layout.spec):
        _write_if_different(path, content)


def _write_if_different(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        version_policy.write_whole(path, text)

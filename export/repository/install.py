"""The Triton model repository on disk: its files, its configs, and what it says it holds.

::

    sbert/config.pbtxt            texts in, embeddings out
    sbert/1/model.py              tokens.py  tokenizer.json  spec.json
    sbert_encoder/config.pbtxt    the transformer
    sbert_encoder/1/model.onnx    reference.npy  spec.json

The encoder's ``spec.json`` is written last: a version without one is not whole. ``sbert`` has a copy, from
which it says what it is: a server may hold its models in different places.
"""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from export.errors import ExportError
from export.repository import configs, version_policy

#: The model that takes texts, and the model that takes tokens.
MODEL, ENCODER = configs.MODEL, configs.ENCODER
#: The first version.
VERSION = "1"

#: Counts up when the export itself changes, so that older exports are made again.
FORMAT = 2

_CODE = {
    "model.py": Path(__file__).parents[2] / "model_repo" / MODEL / "1" / "model.py",
    "tokens.py": Path(__file__).parents[2] / "dataflow" / "embed" / "tokens.py",
}


@dataclass(frozen=True)
class Spec:
    """What a version is made from, and what it gives. Sums are SHA-256 in hex.

    Measured against the reference: ``parity`` the largest difference, cosines, and, where the precision asks
    for it, the share of anomalies ``kept``.
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
        """Of all that makes the vectors: two versions that share it give the same."""
        parts = (self.graph_sha256, self.tokenizer_sha256, self.precision)
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Layout:
    """The paths of one version in a repository."""

    root: Path
    version: str = VERSION

    @property
    def model(self) -> Path:
        """The folder of the model that takes texts."""
        return self.root / MODEL / self.version

    @property
    def encoder(self) -> Path:
        """The folder of the model that takes tokens."""
        return self.root / ENCODER / self.version

    @property
    def graph(self) -> Path:
        """The ONNX graph."""
        return self.encoder / "model.onnx"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer."""
        return self.model / "tokenizer.json"

    @property
    def reference(self) -> Path:
        """What ``SentenceTransformer.encode`` gave for the difficult texts."""
        return self.encoder / "reference.npy"

    @property
    def spec(self) -> Path:
        """What the model is, and what was measured."""
        return self.encoder / "spec.json"


def read_spec(layout: Layout) -> Spec | None:
    """The spec of a version, or None if there is none that this export understands."""
    try:
        written = json.loads(layout.spec.read_text(encoding="utf-8"))
        return Spec(**{name: value for name, value in written.items() if name != "sha256"})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def install(layout: Layout, built: Layout, spec: Spec) -> None:
    """Move the files of ``built``, in the same file system, to where they are served from."""
    layout.spec.unlink(missing_ok=True)
    layout.encoder.mkdir(parents=True, exist_ok=True)
    layout.model.mkdir(parents=True, exist_ok=True)
    os.replace(built.graph, layout.graph)
    os.replace(built.tokenizer, layout.tokenizer)
    os.replace(built.reference, layout.reference)
    write_served_files(layout, spec)


def write_served_files(layout: Layout, spec: Spec) -> None:
    """Write code, configs and spec of a version where they are missing or differ."""
    for name, path in _CODE.items():
        try:
            _write(layout.model / name, path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ExportError(f"{path}: {error.strerror}; run the export from a checkout") from None
    encoder = configs.encoder_config(spec.dim, spec.precision, spec.device, spec.max_tokens)
    for name, text in ((MODEL, configs.model_config(spec.dim, spec.device)), (ENCODER, encoder)):
        path = layout.root / name / "config.pbtxt"
        _write(path, version_policy.kept(path, text))
    said = json.dumps(asdict(spec) | {"sha256": spec.sha256}, indent=2) + "\n"
    for path in (layout.model / layout.spec.name, layout.spec):
        _write(path, said)


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


def remove(path: Path) -> None:
    """Remove a folder that the export itself made."""
    shutil.rmtree(path, ignore_errors=True)

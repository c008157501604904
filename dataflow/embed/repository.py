"""A Triton model repository: where its files are, which versions it serves, and what each version is.

The embedders and the export both use this module, so they agree about a repository. Triton reads
``config.pbtxt``. The export writes ``spec.json`` beside the graph, and a copy beside ``model.py``, from which
the model server answers ``SPEC``.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from dataflow.errors import ContractError

#: What follows the name of a model in the name of its encoder.
ENCODER_SUFFIX = "_encoder"
#: The model that turns texts into embeddings, in a repository that the export writes.
MODEL = "sbert"
#: The model that :data:`MODEL` calls: the transformer.
ENCODER = MODEL + ENCODER_SUFFIX
#: The version that a new repository starts with.
VERSION = "1"

_COMMENT = re.compile(r"#.*")
_SPECIFIC = re.compile(r"\bversion_policy\s*:?\s*\{\s*specific\s*:?\s*\{([^}]*)\}")
_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Layout:
    """The paths of one version of a model, ``name``, in the repository ``root``.

    ::

        sbert/config.pbtxt            texts to embeddings
        sbert/1/model.py              tokens.py  wordpieces.py  tokenizer.json  spec.json
        sbert_encoder/config.pbtxt    the transformer
        sbert_encoder/1/model.onnx    reference.npy  spec.json
    """

    root: Path
    version: str = VERSION
    name: str = MODEL

    @property
    def config(self) -> Path:
        """The configuration of the model, for all its versions."""
        return self.root / self.name / "config.pbtxt"

    @property
    def encoder_config(self) -> Path:
        """The configuration of the encoder, for all its versions."""
        return self.root / (self.name + ENCODER_SUFFIX) / "config.pbtxt"

    @property
    def model(self) -> Path:
        """The folder of this version."""
        return self.config.parent / self.version

    @property
    def encoder(self) -> Path:
        """The encoder's folder of this version."""
        return self.encoder_config.parent / self.version

    @property
    def graph(self) -> Path:
        """The transformer as ONNX."""
        return self.encoder / "model.onnx"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer, with truncation and the id of the padding."""
        return self.model / "tokenizer.json"

    @property
    def reference(self) -> Path:
        """What ``SentenceTransformer.encode`` returned for the difficult texts."""
        return self.encoder / "reference.npy"

    @property
    def spec(self) -> Path:
        """What this version is. The export writes this file last: a version without it is incomplete."""
        return self.encoder / "spec.json"

    @property
    def served_spec(self) -> Path:
        """The copy of :attr:`spec` for ``model.py``: a server may keep its models in different places."""
        return self.model / "spec.json"


@dataclass(frozen=True)
class Identity:
    """What a version of a model is.

    ``sha256`` is a sum of the graph, the tokenizer and the precision, which together determine the vectors.
    """

    name: str
    precision: str
    dim: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} {self.precision} of sha256 {self.sha256[:_SHOWN_DIGITS]}"


def label(number: str, identity: Identity | None) -> str:
    """The value of ``model_version``: the number, and the first digits of the sum where it is known."""
    return f"{number}+{identity.sha256[:_SHOWN_DIGITS]}" if identity else number


def pinned(version: str | None) -> tuple[str, str]:
    """The number and the first digits of the sum in a setting like ``1+3f0c``; a part left out is empty."""
    number, _, sha256 = (version or "").partition("+")
    return number, sha256


def parsed(spec: str) -> Identity | None:
    """The identity in the text of a ``spec.json``, or None if the text holds none."""
    try:
        found = json.loads(spec)
        return Identity(str(found["name"]), str(found["precision"]), int(found["dim"]), str(found["sha256"]))
    except (ValueError, KeyError, TypeError):
        return None


def identity(root: Path, model: str, version: str) -> Identity | None:
    """What a version in the repository ``root`` is, or None if the version or its identity is missing."""
    try:
        return parsed(Layout(root, version, model).spec.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def versions_asked_for(root: Path, model: str = MODEL) -> list[int] | None:
    """The versions that ``config.pbtxt`` asks the server to serve, ascending; None means the newest."""
    try:
        config = Layout(root, name=model).config.read_text(encoding="utf-8")
    except OSError:
        return None
    specific = _SPECIFIC.search(_COMMENT.sub("", config))
    return sorted(map(int, re.findall(r"\d+", specific[1]))) if specific else None


def exported_versions(root: Path, model: str = MODEL) -> list[int]:
    """The versions that have a ``spec.json``, ascending."""
    spec = Layout(root, name=model).spec
    specs = spec.parents[1].glob(f"*/{spec.name}")
    return sorted(int(path.parent.name) for path in specs if path.parent.name.isdigit())


def newest(root: Path, model: str) -> str | None:
    """The version that Triton answers with if a request names none, or None if there is no such version."""
    exported, asked = exported_versions(root, model), versions_asked_for(root, model)
    served = exported if asked is None else [version for version in exported if version in asked]
    return str(served[-1]) if served else None


def require_same_model(
    found: Identity | None, where: str, *, sha256: str, dim: int, held: Identity | None
) -> None:
    """Raise ``ContractError`` unless the model ``found`` at ``where`` is the expected one.

    ``sha256``: the pinned first digits of its sum; ``dim``: the dimension of the vectors that the model
    returns; ``held``: what ``embed.repository`` holds under the same version number.
    """
    if found is None:
        if sha256:
            raise ContractError(
                f"{where} does not say which model it is, DRIFTLINE_EMBED__VERSION asks for {sha256}; "
                "export the model again, or pin the number alone"
            )
        return
    if not found.sha256.startswith(sha256):
        raise ContractError(f"{where} is {found}, DRIFTLINE_EMBED__VERSION asks for {sha256}")
    if found.dim != dim:
        raise ContractError(
            f"{where} is {found} with {found.dim} dimensions, but it returns {dim}; export the model again"
        )
    if held and held.sha256 != found.sha256:
        raise ContractError(
            f"{where} is {found}, embed.repository holds {held}; load that model "
            "(`python -m export load`), or set DRIFTLINE_EMBED__REPOSITORY to the repository that is served"
        )

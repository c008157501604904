"""Builds one version of a model repository from a sentence-transformers model.

A graph that does not agree with ``SentenceTransformer.encode`` is not installed.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from dataflow.embed.repository import Layout
from export.convert import architecture, parity, precision
from export.convert.precision import DATA, Precision
from export.convert.weights import WEIGHTS_FILE, Log, Weights, locate, sha256
from export.errors import ExportError
from export.repository import install
from export.repository.configs import Device
from export.repository.install import Spec


@dataclass(frozen=True)
class Target:
    """What to build. None means as in the repository, or fp32 for any device if the model is new."""

    precision: Precision | Literal["auto"] | None = None
    device: Device | None = None
    #: A folder of JSON lines with a ``text``; lossy precisions are compared on these texts.
    texts: Path = DATA

    def is_met(self, spec: Spec) -> bool:
        """Whether a model of ``spec`` is what is asked for."""
        return self.precision in (None, spec.precision) and self.device in (None, spec.device)


def build(
    weights: Weights, root: Path, *, cache: Path, force: bool, log: Log, target: Target | None = None
) -> Spec:
    """Export ``weights`` into the repository ``root``, unless the repository holds that model already.

    Raises ``ModelError`` if the weights cannot be found or the model is of an unsupported kind, and
    ``ParityError`` if the graph does not agree with the reference. The repository then stays unchanged.
    """
    layout, target = Layout(root), target or Target()
    if not force and (spec := installed(weights, layout)) and target.is_met(spec):
        install.write_served_files(layout, spec)
        log(f"{root} already holds {spec.name}, nothing to do (parity {spec.parity:.1e}, dim {spec.dim})")
        return spec
    if target.precision is not None and target.precision != "auto":
        precision.require_available(target.precision, target.device or "auto", target.texts)
    folder = locate(weights, cache, log)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".build-") as scratch:
            built = Layout(Path(scratch))
            spec = _build(weights, folder, built, target, log)
            install.install(layout, built, spec)
    except OSError as error:
        raise ExportError(f"{error.filename or root}: {error.strerror}") from None
    log(
        f"{spec.name} is in {root}: {spec.precision}, dim {spec.dim}, {spec.max_tokens} tokens, "
        f"parity {spec.parity:.1e}, mean cosine {spec.cosine:.6f}"
    )
    return spec


def installed(weights: Weights, layout: Layout) -> Spec | None:
    """The spec of ``layout`` if it holds ``weights``, complete and unchanged. Imports no torch."""
    spec = install.read_spec(layout)
    if spec is None or spec.format != install.FORMAT or not layout.graph.is_file():
        return None
    if weights.known:
        wanted = weights.known.sha256[WEIGHTS_FILE]
    elif weights.folder:
        wanted = _weights_sum(weights.folder)
    else:
        wanted = spec.weights_sha256 if spec.source == _origin(weights) else ""
    same = (
        spec.weights_sha256 == wanted
        and layout.tokenizer.is_file()
        and layout.reference.is_file()
        and spec.tokenizer_sha256 == sha256(layout.tokenizer)
        and spec.graph_sha256 == sha256(layout.graph)
    )
    return spec if same else None


def _build(weights: Weights, folder: Path, built: Layout, target: Target, log: Log) -> Spec:
    parts = architecture.read(folder)
    weights_sha256 = _weights_sum(folder)
    log("loading torch and the reference model")
    from export.convert import cuda, graph  # noqa: PLC0415  torch takes seconds; an installed model needs none
    from export.convert.variants import Variants  # noqa: PLC0415  onnxruntime, too

    reference = graph.load(folder)
    built.encoder.mkdir(parents=True)
    built.model.mkdir(parents=True)
    log("tracing the ONNX graph")
    device = target.device or "auto"
    # TensorRT does not know the operator that computes attention in one step.
    graph.export(reference, parts, built.graph, fuse=device != "tensorrt")
    if device == "gpu" and not cuda.rewrite(built.graph):
        log("the graph stays as traced: its attention has another form than that of BERT and MPNet")
    graph.save_tokenizer(reference, built.tokenizer)
    log(f"comparing with SentenceTransformer.encode on {len(parity.DIFFICULT_TEXTS)} difficult texts")
    encoded = reference.encode(list(parity.DIFFICULT_TEXTS), show_progress_bar=False)
    expected = np.asarray(encoded, np.float32)
    np.save(built.reference, expected)
    variants = Variants(built.graph, built.tokenizer, expected, device, target.texts, log)
    wanted = target.precision or "fp32"
    variant = variants.fastest() if wanted == "auto" else variants.make(wanted)
    os.replace(variant.graph, built.graph)
    return Spec(
        name=weights.known.hub.rpartition("/")[2] if weights.known else Path(weights.name).resolve().name,
        source=_origin(weights),
        weights_sha256=weights_sha256,
        tokenizer_sha256=sha256(built.tokenizer),
        graph_sha256=sha256(built.graph),
        dim=int(expected.shape[1]),
        max_tokens=int(reference.max_seq_length or 0),
        pooling=parts.pooling,
        normalize=parts.normalize,
        precision=variant.precision,
        parity=variant.found.difference,
        cosine=variant.found.cosine,
        cosine_min=variant.found.cosine_min,
        kept=variant.found.kept,
        device=device,
    )


def _weights_sum(folder: Path) -> str:
    """The sum of the transformer's weights; with dense layers, a sum of the sums of all weights."""
    files = [folder / WEIGHTS_FILE, *sorted(folder.glob(f"*_*/{WEIGHTS_FILE}"))]
    files = [path if path.is_file() else path.with_name("pytorch_model.bin") for path in files]
    sums = [sha256(path) for path in files]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def _origin(weights: Weights) -> str:
    """The ``source`` of ``spec.json``."""
    if weights.known:
        return weights.known.hub
    return " ".join(weights.packages) or str(Path(weights.name).resolve())

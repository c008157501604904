"""Builds one version of a model repository from a sentence-transformers model, behind the parity gate."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from export.convert import architecture, parity, precision, weights
from export.convert.precision import DATA, Precision
from export.convert.weights import Log, Source
from export.errors import ExportError
from export.repository import install
from export.repository.configs import Device
from export.repository.install import Layout, Spec


@dataclass(frozen=True)
class Target:
    """What to make: ``precision`` None and ``device`` None as it is there, else fp32 for any device."""

    precision: Precision | Literal["auto"] | None = None
    device: Device | None = None
    #: A folder of JSON lines with a ``text``, which lossy precisions are compared on.
    texts: Path = DATA

    def is_met(self, spec: Spec) -> bool:
        """Whether a model of ``spec`` is what is asked for."""
        return self.precision in (None, spec.precision) and self.device in (None, spec.device)


def build(
    source: Source, root: Path, *, cache: Path, force: bool, log: Log, target: Target | None = None
) -> Spec:
    """Export ``source`` into the repository ``root`` unless it is there already.

    Raises ``ModelError`` if it cannot be had or is of another kind, ``ParityError`` if the graph does
    not agree with the reference; the repository is then as it was before.
    """
    layout, target = Layout(root), target or Target()
    if not force and (spec := installed(source, layout)) and target.is_met(spec):
        install.write_served_files(layout, spec)
        log(f"{root} already holds {spec.name}, nothing to do (parity {spec.parity:.1e}, dim {spec.dim})")
        return spec
    if target.precision is not None and target.precision != "auto":
        precision.require(target.precision, target.device or "auto", target.texts)
    folder = weights.locate(source, cache, log)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".build-") as scratch:
            built = Layout(Path(scratch))
            spec = _build(source, folder, built, target, log)
            install.install(layout, built, spec)
    except OSError as error:
        raise ExportError(f"{error.filename or root}: {error.strerror}") from None
    log(
        f"{spec.name} is in {root}: {spec.precision}, dim {spec.dim}, {spec.max_tokens} tokens, "
        f"parity {spec.parity:.1e}, mean cosine {spec.cosine:.6f}"
    )
    return spec


def installed(source: Source, layout: Layout) -> Spec | None:
    """The spec of ``layout`` if it holds ``source``, whole and unchanged. Imports no torch."""
    spec = install.read_spec(layout)
    if spec is None or spec.format != install.FORMAT or not layout.graph.is_file():
        return None
    if source.known:
        wanted = source.known.sha256[weights.WEIGHTS]
    elif source.folder:
        wanted = _weights_sum(source.folder)
    else:
        wanted = spec.weights_sha256 if spec.source == _origin(source) else ""
    same = (
        spec.weights_sha256 == wanted
        and layout.tokenizer.is_file()
        and layout.reference.is_file()
        and spec.tokenizer_sha256 == weights.sha256(layout.tokenizer)
        and spec.graph_sha256 == weights.sha256(layout.graph)
    )
    return spec if same else None


def _build(source: Source, folder: Path, built: Layout, target: Target, log: Log) -> Spec:
    parts = architecture.read(folder)
    weights_sha256 = _weights_sum(folder)
    log("loading torch and the reference model")
    from export.convert import graph  # noqa: PLC0415  torch takes seconds, and a known model may be there already
    from export.convert.variants import Variants  # noqa: PLC0415  onnxruntime, too

    reference = graph.load(folder)
    built.encoder.mkdir(parents=True)
    built.model.mkdir(parents=True)
    log("tracing the ONNX graph")
    device = target.device or "auto"
    # TensorRT does not know the one operator for attention.
    graph.export(reference, parts, built.graph, fuse=device != "tensorrt")
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
        name=source.known.hub.rpartition("/")[2] if source.known else Path(source.name).resolve().name,
        source=_origin(source),
        weights_sha256=weights_sha256,
        tokenizer_sha256=weights.sha256(built.tokenizer),
        graph_sha256=weights.sha256(built.graph),
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
    """The sum of the transformer's weights; with dense layers, of the sums of all weights."""
    files = [folder / weights.WEIGHTS, *sorted(folder.glob(f"*_*/{weights.WEIGHTS}"))]
    files = [path if path.is_file() else path.with_name("pytorch_model.bin") for path in files]
    sums = [weights.sha256(path) for path in files]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def _origin(source: Source) -> str:
    if source.known:
        return source.known.hub
    return " ".join(source.packages) or str(Path(source.name).resolve())

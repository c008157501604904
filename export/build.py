"""Builds one version of a model repository from a sentence-transformers model, behind the parity gate."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np

from export import architecture, parity, repository, sources
from export.errors import ExportError
from export.repository import Layout, Spec
from export.sources import Log, Source


def build(source: Source, root: Path, *, cache: Path, force: bool, log: Log) -> Spec:
    """Export ``source`` into the repository ``root`` unless it is there already.

    Raises ``ModelError`` if it cannot be had or is of another kind, ``ParityError`` if the graph does
    not agree with the reference; the repository is then as it was before.
    """
    layout = Layout(root)
    if not force and (spec := installed(source, layout)):
        repository.write_served_files(layout, spec.dim)
        log(f"{root} already holds {spec.name}, nothing to do (parity {spec.parity:.1e}, dim {spec.dim})")
        return spec
    folder = sources.locate(source, cache, log)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".build-") as scratch:
            built = Layout(Path(scratch))
            spec = _build(source, folder, built, log)
            repository.install(layout, built, spec)
    except OSError as error:
        raise ExportError(f"{error.filename or root}: {error.strerror}") from None
    log(f"{spec.name} is in {root}: dim {spec.dim}, {spec.max_tokens} tokens, parity {spec.parity:.1e}")
    return spec


def installed(source: Source, layout: Layout) -> Spec | None:
    """The spec of ``layout`` if it holds ``source``, whole and unchanged. Imports no torch."""
    spec = repository.read_spec(layout)
    if spec is None or spec.format != repository.FORMAT or not layout.graph.is_file():
        return None
    if source.known:
        wanted = source.known.sha256[sources.WEIGHTS]
    elif source.folder:
        wanted = _weights_sum(source.folder)
    else:
        wanted = spec.weights_sha256 if spec.source == _origin(source) else ""
    same = (
        spec.weights_sha256 == wanted
        and layout.tokenizer.is_file()
        and layout.reference.is_file()
        and spec.tokenizer_sha256 == sources.sha256(layout.tokenizer)
        and spec.graph_sha256 == sources.sha256(layout.graph)
    )
    return spec if same else None


def _build(source: Source, folder: Path, built: Layout, log: Log) -> Spec:
    parts = architecture.read(folder)
    weights_sha256 = _weights_sum(folder)
    log("loading torch and the reference model")
    from export import graph  # noqa: PLC0415  torch takes seconds, and a known model may be there already

    reference = graph.load(folder)
    built.encoder.mkdir(parents=True)
    built.model.mkdir(parents=True)
    log("tracing the ONNX graph")
    graph.export(reference, parts, built.graph)
    graph.save_tokenizer(reference, built.tokenizer)
    log(f"comparing with SentenceTransformer.encode on {len(parity.DIFFICULT_TEXTS)} difficult texts")
    expected = reference.encode(list(parity.DIFFICULT_TEXTS), show_progress_bar=False)
    np.save(built.reference, np.asarray(expected, np.float32))
    worst = parity.gate(np.asarray(expected, np.float32), _session(built))
    return Spec(
        name=source.known.hub.rpartition("/")[2] if source.known else Path(source.name).resolve().name,
        source=_origin(source),
        weights_sha256=weights_sha256,
        tokenizer_sha256=sources.sha256(built.tokenizer),
        graph_sha256=sources.sha256(built.graph),
        dim=int(expected.shape[1]),
        max_tokens=int(reference.max_seq_length or 0),
        pooling=parts.pooling,
        normalize=parts.normalize,
        precision="fp32",
        parity=worst,
    )


def _session(built: Layout) -> parity.Embed:
    from dataflow.onnx_session import Session  # noqa: PLC0415  not needed when there is nothing to do

    return Session(built.graph, built.tokenizer).encode


def _weights_sum(folder: Path) -> str:
    """The sum of the transformer's weights; with dense layers, of the sums of all weights."""
    files = [folder / sources.WEIGHTS, *sorted(folder.glob(f"*_*/{sources.WEIGHTS}"))]
    files = [path if path.is_file() else path.with_name("pytorch_model.bin") for path in files]
    sums = [sources.sha256(path) for path in files]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def _origin(source: Source) -> str:
    if source.known:
        return source.known.hub
    return " ".join(source.packages) or str(Path(source.name).resolve())

"""Compares the answers of a served version with the reference that its export stored."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dataflow import settings
from dataflow.embed.base import Embedder
from dataflow.embed.repository import Layout, newest
from dataflow.embed.triton.connect import connect
from export.convert import parity, precision
from export.errors import FailedError
from export.repository import install

#: Rounding a number to the 11 bits of float16 changes it by this share at most.
_ROUNDING = 2**-11


@dataclass(frozen=True)
class Verdict:
    """How far a version is from its reference, over the difficult texts.

    ``difference`` is the largest in any component, ``cosine`` the mean. ``ok``: the version agrees as closely
    as the gate of its precision asks, and ``half`` fits. ``half``: how far the output of float16 is from the
    one of float32 beyond the error of rounding, in any component; ``None``: there is no such output.
    """

    version: str
    precision: str
    difference: float
    cosine: float
    ok: bool
    half: float | None = None


def stored_reference(layout: Layout) -> npt.NDArray[np.float32]:
    """What ``SentenceTransformer.encode`` gave for the difficult texts during the export, (n, dim)."""
    try:
        reference: npt.NDArray[np.float32] = np.load(layout.reference)
    except (OSError, EOFError, ValueError):
        raise FailedError(f"{layout.reference}: cannot be read; export again with `build --force`") from None
    if len(reference) != len(parity.DIFFICULT_TEXTS):
        raise FailedError(f"{layout.reference}: belongs to another export; export again with `build --force`")
    return reference


def verify(options: settings.Embed, layout: Layout, reference: npt.NDArray[np.float32]) -> Verdict:
    """Compare the server's answers with ``reference``. The version of ``layout`` answers."""
    spec = install.read_spec(layout)
    kind = spec.precision if spec else "fp32"
    embedder, half = (
        connect(options.model_copy(update={"version": layout.version, "store": store}))
        for store in ("fp32", "fp16")
    )
    try:
        if reference.shape[1] != embedder.dim:
            raise FailedError(
                f"the server returns {embedder.dim} dimensions, the reference has {reference.shape[1]}"
            )
        found = precision.agreement(reference, lambda texts: embedder.embed(texts).vectors)
        rounded = _rounded(embedder, half)
    finally:
        embedder.close()
        half.close()
    ok = precision.shortfall(kind, found) is None and (rounded is None or rounded <= parity.TOLERANCE)
    return Verdict(layout.version, kind, found.difference, found.cosine, ok, rounded)


def _rounded(embedder: Embedder, half: Embedder) -> float | None:
    """How far the embeddings of ``half`` are from those of ``embedder``, beyond the error of rounding.

    ``None``: they are no float16.
    """
    texts = list(parity.DIFFICULT_TEXTS)
    full, vectors = embedder.embed(texts).vectors, half.embed(texts).vectors
    if not (vectors == vectors.astype(np.float16)).all():
        return None
    return float(np.maximum(np.abs(vectors - full) - _ROUNDING * np.abs(full), 0).max())


def require_gpu_agrees(options: settings.Embed, repository: Path) -> Verdict | None:
    """Compare with the stored reference if the model of ``repository`` is for a GPU, else return None.

    The export may have run on a machine without a GPU; here the device that serves answers. Raises
    ``FailedError`` if the answers do not agree.
    """
    layout = Layout(repository, newest(repository, options.model) or "1", options.model)
    spec = install.read_spec(layout)
    return None if spec is None or spec.device == "auto" else require_unchanged(options, layout)


def require_unchanged(options: settings.Embed, layout: Layout) -> Verdict:
    """Compare with the stored reference. Raises ``FailedError`` if the answers do not agree with it."""
    verdict = verify(options, layout, stored_reference(layout))
    if not verdict.ok:
        raise FailedError(
            f"version {layout.version} ({verdict.precision}) differs from its reference by "
            f"{verdict.difference:.2g}, mean cosine {verdict.cosine:.6f}"
        )
    return verdict

"""Whether a served version still gives what it gave when it was exported."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataflow import settings
from dataflow.embed.triton.connect import connect
from export.convert import parity, precision
from export.errors import FailedError
from export.repository import install
from export.repository.install import Layout


@dataclass(frozen=True)
class Verdict:
    """``difference``: the largest in any component; ``cosine``: the mean, over the difficult texts.

    ``ok``: whether the gate of the export would let it pass.
    """

    version: str
    precision: str
    difference: float
    cosine: float
    ok: bool


def stored(layout: Layout) -> npt.NDArray[np.float32]:
    """What ``SentenceTransformer.encode`` gave for the difficult texts, (n, dim)."""
    try:
        reference: npt.NDArray[np.float32] = np.load(layout.reference)
    except (OSError, ValueError):
        raise FailedError(f"{layout.reference}: cannot be read; export again with `build --force`") from None
    if len(reference) != len(parity.DIFFICULT_TEXTS):
        raise FailedError(f"{layout.reference}: of another export; export again with `build --force`")
    return reference


def verify(options: settings.Embed, layout: Layout, reference: npt.NDArray[np.float32]) -> Verdict:
    """Compare the server's answers with ``reference``. ``options.version`` is the version that is asked."""
    spec = install.read_spec(layout)
    kind = spec.precision if spec else "fp32"
    embedder = connect(options.model_copy(update={"version": layout.version}))
    try:
        if reference.shape[1] != embedder.dim:
            raise FailedError(
                f"the server gives {embedder.dim} dimensions, the reference {reference.shape[1]}"
            )
        found = precision.agreement(reference, lambda texts: embedder.embed(texts).vectors)
    finally:
        embedder.close()
    ok = precision.shortfall(kind, found) is None
    return Verdict(layout.version, kind, found.difference, found.cosine, ok)


def gate(options: settings.Embed, layout: Layout) -> Verdict:
    """:func:`verify` against what is stored, or ``FailedError``."""
    verdict = verify(options, layout, stored(layout))
    if not verdict.ok:
        raise FailedError(
            f"version {layout.version} ({verdict.precision}) differs from its reference by "
            f"{verdict.difference:.2g}, mean cosine {verdict.cosine:.6f}"
        )
    return verdict

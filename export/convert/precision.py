"""The precisions of an exported graph, and how well each must agree with the reference: its gate.

A graph that does not pass its gate is not installed. A cosine is between the embeddings of one text before
and after the conversion. ``kept`` is the share of anomalies, the most anomalous hundredth of real texts, that
are still anomalies after the conversion.
"""

import json
import platform
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from export.convert import parity
from export.errors import ModelError, ParityError

Precision = Literal["fp32", "fp16", "bf16", "int8"]
#: All precisions.
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

Vectors = npt.NDArray[np.float32]

#: precision -> the lowest mean cosine to the reference over the difficult texts; for fp16, of each text.
COSINES: dict[str, float] = {"fp16": 0.9999, "bf16": 0.9999, "int8": 0.98}
#: precision -> the lowest share of the anomalies of fp32 that this precision must find, too.
LEAST_KEPT: dict[str, float] = {"int8": 0.95}

_TOP = 0.01
#: Fewer anomalies cannot show a share of 95 %.
_MIN_ANOMALIES = 20
_NEIGHBOURS = 5
_TEXTS_PER_FILE = 2000
#: Real texts, JSON lines with a ``text``, unless the user names another folder.
DATA = Path(__file__).parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Agreement:
    """``difference``: the largest in any component; cosines over the difficult texts; ``kept``: see above."""

    difference: float
    cosine: float
    cosine_min: float
    kept: float | None = None


def agreement(expected: Vectors, embed: parity.Embed) -> Agreement:
    """Compare ``embed`` with ``expected``, the vectors of the reference: (len(DIFFICULT_TEXTS), dim)."""
    found = embed(parity.DIFFICULT_TEXTS)
    cosines = np.einsum("ij,ij->i", _unit(expected), _unit(found))
    if not np.isfinite(cosines).all():
        return Agreement(float("inf"), 0.0, 0.0)
    return Agreement(parity.difference(expected, embed), float(cosines.mean()), float(cosines.min()))


def shortfall(precision: str, found: Agreement) -> str | None:
    """How ``found`` differs more from the reference than ``precision`` allows, or None if it does not."""
    if precision == "fp32":
        wide = found.difference > parity.TOLERANCE
        return f"by {found.difference:.2g} (allowed {parity.TOLERANCE:g})" if wide else None
    cosine, which = (found.cosine_min, "lowest") if precision == "fp16" else (found.cosine, "mean")
    least = COSINES[precision]
    return f"with a {which} cosine of {cosine:.6f} (at least {least:g})" if cosine < least else None


def require_agreement(precision: Precision, found: Agreement) -> None:
    """The gate. Raises ``ParityError`` with what was allowed and what was found."""
    if how := shortfall(precision, found):
        raise ParityError(f"{precision} differs from SentenceTransformer.encode {how}; nothing was installed")
    if precision in LEAST_KEPT and (found.kept is None or found.kept < LEAST_KEPT[precision]):
        kept = "an unknown share" if found.kept is None else f"{found.kept:.1%}"
        raise ParityError(
            f"{precision} keeps {kept} of the most anomalous {_TOP:.0%} of real texts "
            f"(at least {LEAST_KEPT[precision]:.0%}); nothing was installed"
        )


def real_texts(folder: Path) -> dict[str, list[str]]:
    """The distinct texts of each ``*.jsonl`` file in ``folder``."""
    return {path.name: _texts(path) for path in sorted(folder.glob("*.jsonl"))}


def anomalies_kept(expected: Sequence[Vectors], found: Sequence[Vectors]) -> float | None:
    """The share of the anomalies of ``expected`` that are anomalies of ``found`` too, 0 to 1.

    ``expected`` and ``found`` hold one (n, dim) array for each set of texts. None if there are too few texts.
    Anomalies are the hundredth of the texts that is farthest from its fifth nearest neighbour. This distance
    has no random starts. k-means would not do: it moves between solutions, and at a cosine of 0.9996 it kept
    only 8 to 75 % of its anomalies.
    """
    same = total = 0
    for before, after in zip(expected, found, strict=True):
        count = _anomalies(before)
        tops = [set(np.argsort(-_far(each), kind="stable")[:count].tolist()) for each in (before, after)]
        same += len(tops[0] & tops[1])
        total += count
    return same / total if total >= _MIN_ANOMALIES else None


def bf16_refusal() -> str | None:
    """Why this machine cannot make bf16, or None if it can."""
    try:
        import openvino  # noqa: PLC0415  optional
    except ImportError:
        return "bf16 needs OpenVINO; install it with: pip install --no-deps -r requirements/openvino.txt"
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return f"this CPU ({platform.machine()}) has no bfloat16 instructions; OpenVINO would emulate them"
    return None


def require_available(precision: Precision, device: str, texts: Path) -> None:
    """Raise ``ModelError`` if ``precision`` cannot be made here, before any work is done for it."""
    if precision in ("bf16", "int8") and device != "auto":
        raise ModelError(f"{precision} is for CPUs; use fp16 on a GPU")
    if precision == "bf16" and (why := bf16_refusal()):
        raise ModelError(why)
    if precision in LEAST_KEPT and sum(map(_anomalies, real_texts(texts).values())) < _MIN_ANOMALIES:
        raise ModelError(
            f"{precision} is compared on {round(_MIN_ANOMALIES / _TOP)} or more different real texts, and "
            f"{texts} has fewer; name a folder of JSON lines with a `text`: --texts"
        )


def _anomalies(texts: Sized) -> int:
    return int(len(texts) * _TOP)


def _far(vectors: Vectors) -> npt.NDArray[np.float64]:
    unit = _unit(vectors)
    near = np.partition(1 - unit @ unit.T, min(_NEIGHBOURS, len(unit) - 1), axis=1)
    distances: npt.NDArray[np.float64] = near[:, min(_NEIGHBOURS, len(unit) - 1)].astype(np.float64)
    return distances


def _unit(vectors: Vectors) -> Vectors:
    with np.errstate(invalid="ignore"):  # an infinite or zero vector becomes NaN, which the callers refuse
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _texts(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    texts = [record.get("text") for record in records]
    return list(dict.fromkeys(text for text in texts if isinstance(text, str)))[:_TEXTS_PER_FILE]

"""The spec that the export writes for a model."""

from export.convert import weights
from export.repository.install import Spec

SPEC = Spec(
    name="all-MiniLM-L6-v2",
    source="sentence-transformers/all-MiniLM-L6-v2",
    weights_sha256=weights.KNOWN["all-MiniLM-L6-v2"].sha256[weights.WEIGHTS_FILE],
    tokenizer_sha256="",
    graph_sha256="",
    dim=384,
    max_tokens=256,
    pooling="mean",
    normalize=True,
    precision="fp32",
    parity=1e-7,
)

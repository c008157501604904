"""Where the checkout, the downloads and the model are."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "driftline"
MODEL = "all-MiniLM-L6-v2"
#: Texts -> embeddings of shape (texts, dim).
Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]

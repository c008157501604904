"""The types of the NumPy arrays that the stages share."""

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
#: Embeddings: ``(n, dim)`` float32.
Vectors = npt.NDArray[np.float32]

"""Embeds the texts of samples again, after a change of the model."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.decode.masking import masked, patterns_of
from dataflow.embed.base import Embedder
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.settings import Score, Settings
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)
#: How long to wait before the embedder is asked again whether it has changed to the newest version.
_PAUSE_SECONDS = 0.5


def follows(options: Score) -> bool:
    """Whether references are embedded again."""
    return options.reference and options.model_change == "embed_again"


class EmbedsSamples:
    """An :data:`~dataflow.score.evidence.again.EmbedAgain` with the embedder of the flow.

    With ``embed.follow``, another process may change to a new version a little earlier. So a call for a
    version that this process does not have yet waits, up to two ``embed.follow_interval`` in all for each
    version. ``clock`` returns monotonic seconds.
    """

    def __init__(
        self,
        settings: Settings,
        embedder: Embedder,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._embedder, self._patterns = embedder, patterns_of(settings.source.mask)
        patience = 2 * settings.embed.follow_interval if settings.embed.follow else timedelta(0)
        self._patience_seconds = patience.total_seconds()
        self._clock, self._sleep = clock, sleep
        #: Model -> when to wait for it no longer.
        self._deadlines: dict[str, float] = {}

    def __call__(self, texts: pa.Array, model: str) -> Fixed | None:
        """Embed ``texts``. Raises what the embedder raises."""
        started = self._clock()
        self._wait_for(model)
        encoded = pc.coalesce(masked(texts, self._patterns), texts).dictionary_encode()
        answer = self._embedder.embed(encoded.dictionary.to_pylist() if self._model() == model else [])
        if f"{self._embedder.model} {answer.version}" != model:
            sentence = f"{len(texts)} events of references are left out: {model} embeds windows, and this "
            sentence += f"process has {self._model()}"
            _log.warning(Line("reference_left_out", sentence, texts=len(texts), model=model))
            return None
        failed, codes = list(answer.failed), encoded.indices.to_numpy()
        vectors = answer.vectors.copy()
        vectors[failed] = 0
        seconds, refused = self._clock() - started, int(np.count_nonzero(np.isin(codes, failed)))
        fields = {"texts": len(texts), "model": model, "seconds": round(seconds, 3), "refused": refused}
        sentence = f"{len(texts)} events of references are embedded again by {model} in {seconds:.1f} s"
        if refused:
            sentence += f", without {refused} that the model refuses: {next(iter(answer.failed.values()))}"
        _log.log(logging.WARNING if refused else logging.INFO, Line("reference_embedded", sentence, **fields))
        fixed: Fixed = to_fixed(vectors)[codes]
        return fixed

    def _wait_for(self, model: str) -> None:
        until = self._deadlines.setdefault(model, self._clock() + self._patience_seconds)
        while self._model() != model and self._clock() < until:
            self._sleep(_PAUSE_SECONDS)
            # A call without texts looks for a newer version.
            self._embedder.embed([])

    def _model(self) -> str:
        return f"{self._embedder.model} {self._embedder.version}"

"""Embeds the texts of marks as the flow embeds events."""

import logging
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from dataflow.decode.masking import masked, patterns_of
from dataflow.embed.base import Embedder
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)
#: The embeddings of so many versions of the model are kept: while a version changes, some key groups still
#: have windows of the version before.
_VERSIONS = 2


class TextVectors:
    """The embeddings of texts by each version of the model. ``mask``: ``source.mask``."""

    def __init__(self, embedder: Embedder, mask: tuple[str, ...]) -> None:
        self._embedder, self._patterns = embedder, patterns_of(mask)
        #: Model and version -> text -> the embedding, ``(dim,)``; ``None``: the model refuses the text.
        self._known: dict[str, dict[str, Fixed | None]] = {}
        self._warned: set[str] = set()

    def of(self, texts: Iterable[str], model: str) -> dict[str, Fixed]:
        """The embeddings of ``texts`` by ``model``, without those that the model refuses. Texts that are not
        known yet are left out if this process has another version. Raises what the embedder raises.
        """
        wanted = set(texts)
        missing = sorted(wanted - self._known.get(model, {}).keys())
        if missing and model != self._model():
            # A call without texts looks for a newer version.
            self._embedder.embed([])
        if missing and model == self._model():
            self._embed(missing)
        elif missing:
            self._warn(model)
        known = self._known.get(model, {})
        return {text: vector for text in wanted if (vector := known.get(text)) is not None}

    def _embed(self, texts: list[str]) -> None:
        column = pa.array(texts, pa.string())
        for text, form in zip(
            texts, pc.coalesce(masked(column, self._patterns), column).to_pylist(), strict=True
        ):
            # Each text alone: the last bits of an embedding may depend on the texts beside it.
            answer = self._embedder.embed([form])
            known = self._known.setdefault(f"{self._embedder.model} {answer.version}", {})
            known[text] = None if answer.failed else to_fixed(answer.vectors)[0]
            for why in answer.failed.values():
                sentence = f"the model refuses the text of a mark, which does not count: {why}"
                _log.warning(Line("mark_not_embedded", sentence, reason=why))
        for old in list(self._known)[:-_VERSIONS]:
            del self._known[old]

    def _warn(self, model: str) -> None:
        if model not in self._warned:
            self._warned.add(model)
            sentence = f"marks do not count in some windows: {model} embeds them, and this process has "
            _log.warning(Line("marks_left_out", sentence + self._model(), model=model))

    def _model(self) -> str:
        return f"{self._embedder.model} {self._embedder.version}"

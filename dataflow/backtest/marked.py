"""What people marked, without a model: the embeddings of marked texts are those of recorded events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dataflow.backtest.recorded import Recorded
from dataflow.decode.masking import masked, patterns_of
from dataflow.items.embedding import embeddings
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.marks.likeness import Marks
from dataflow.marks.line import Mark
from dataflow.marks.open import open_store
from dataflow.settings import Settings

#: A note shows so many texts, and so many characters of each.
_MOST, _LONGEST = 3, 60


@dataclass
class FixedMarks:
    """A :class:`~dataflow.marks.likeness.Store` whose marks do not change."""

    marks: tuple[Mark, ...]

    def look(self) -> bool:
        """Nothing changes."""
        return False


class RecordedVectors:
    """The embeddings that events with the texts of marks have, or events with their masked texts.

    ``vectors``: model and version -> masked text -> embedding. ``forms``: text -> masked text.
    """

    def __init__(self, vectors: Mapping[str, Mapping[str, Fixed]], forms: Mapping[str, str]) -> None:
        self._vectors, self._forms = vectors, forms

    def of(self, texts: Iterable[str], model: str) -> dict[str, Fixed]:
        """See :meth:`Vectors.of`."""
        known = self._vectors.get(model, {})
        return {text: known[form] for text in texts if (form := self._forms[text]) in known}

    def __contains__(self, text: str) -> bool:
        """Whether an event has this text, by any model."""
        return any(self._forms[text] in known for known in self._vectors.values())


@dataclass(frozen=True)
class RecordedMarks:
    """The marks of ``alert.marks``. ``notes``: what the reader must know of them."""

    marks: tuple[Mark, ...]
    vectors: RecordedVectors
    notes: Sequence[str]

    def likeness(self, radius: float) -> Marks:
        """What resembles the marks, each from its own time on."""
        return Marks(FixedMarks(self.marks), self.vectors, radius)


def read_marks(recorded: Recorded, settings: Settings) -> RecordedMarks | None:
    """What ``alert.marks`` names; ``None``: it is not set. Raises ``SettingsError`` and ``SourceError``."""
    if settings.alert.marks is None:
        return None
    store = open_store(settings.alert.marks, settings)
    store.look()
    marks = store.marks
    texts = sorted({text for mark in marks for text in (mark.text, mark.nearest) if text is not None})
    vectors = _vectors(recorded, texts, settings.source.mask)
    return RecordedMarks(marks, vectors, list(_notes(settings.alert.marks, marks, vectors)))


def _vectors(recorded: Recorded, texts: Sequence[str], mask: tuple[str, ...]) -> RecordedVectors:
    forms = dict(zip(texts, _forms(pa.array(texts, pa.string()), mask).to_pylist(), strict=True))
    wanted = pa.array(sorted(set(forms.values())), pa.string())
    found: dict[str, dict[str, Fixed]] = {}
    for batch in recorded.batches(("text", "model", "model_version", "embedding")) if texts else ():
        of_rows = _forms(batch.column("text"), mask)
        here = pc.is_in(of_rows, wanted)
        some = batch.filter(here)
        vectors = to_fixed(embeddings(some))
        models = zip(some.column("model").to_pylist(), some.column("model_version").to_pylist(), strict=True)
        for name, form, vector in zip(models, of_rows.filter(here).to_pylist(), vectors, strict=True):
            found.setdefault(" ".join(name), {}).setdefault(form, vector)
    return RecordedVectors(found, forms)


def _forms(texts: pa.Array, mask: tuple[str, ...]) -> pa.Array:
    return pc.coalesce(masked(texts, patterns_of(mask)), texts)


def _notes(uri: str, marks: Sequence[Mark], vectors: RecordedVectors) -> Iterable[str]:
    texts = {mark.text for mark in marks if mark.mark != "none" and mark.text is not None}
    if not texts:
        yield f"alert.marks={uri}: there are no marks"
    if unknown := sorted(text for text in texts if text not in vectors):
        yield (
            f"{len(unknown)} of {len(texts)} marked texts are not among the recorded events, so their marks "
            f"do not count: {_shown(unknown)}"
        )
    usual = {mark.nearest for mark in marks if mark.mark == "expected" and mark.nearest is not None}
    if unknown := sorted(text for text in usual if text not in vectors):
        yield (
            f"{len(unknown)} usual texts of marks (nearest) are not among the recorded events; the radius of "
            f"their marks is half of alert.radius: {_shown(unknown)}"
        )


def _shown(texts: Sequence[str]) -> str:
    lines = [" ".join(text.split()) for text in texts[:_MOST]]
    shown = [f'"{line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."}"' for line in lines]
    return ", ".join(shown + ["..."] * (len(texts) > _MOST))

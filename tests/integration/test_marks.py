"""With the real model, a mark resembles lines of its kind, and no others."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dataflow.decode.masking import masked, patterns_of
from dataflow.embed import open_embedder
from dataflow.items.fixed import to_fixed
from dataflow.marks.open import open_marks
from dataflow.settings import load
from tests.support.marks import line

pytestmark = pytest.mark.integration

MARKED = "Invalid user webmaster from 173.234.31.186"
ALIKE = ["Invalid user webmaster from 10.0.0.7", "Invalid user webmasters from 52.80.34.196"]
UNLIKE = [
    "Received disconnect from 119.137.62.142: 11: disconnected by user",
    "Accepted password for fztu from 119.137.62.142 port 49116 ssh2",
    "Disconnecting: Too many authentication failures for root [preauth]",
]


def test_a_mark_resembles_lines_of_its_kind(repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text(line("expected", MARKED, nearest=UNLIKE[1]))
    environ = {
        "DRIFTLINE_PROFILE": "logs",
        "DRIFTLINE_ALERT__MARKS": str(path),
        "DRIFTLINE_EMBED__KIND": "onnx",
        "DRIFTLINE_EMBED__REPOSITORY": str(repository),
    }
    settings = load(environ)
    embedder = open_embedder(settings.embed)
    texts = pa.array([MARKED, *ALIKE, *UNLIKE])
    forms = pc.coalesce(masked(texts, patterns_of(settings.source.mask)), texts)
    answer = embedder.embed(forms.to_pylist())
    marks = open_marks(settings, embedder)
    found = marks.expected("all", 0, f"{embedder.model} {answer.version}", to_fixed(answer.vectors))
    assert [name is not None for name in found] == [True] * 3 + [False] * 3

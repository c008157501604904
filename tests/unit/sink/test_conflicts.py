"""A file has one writer, and the source does not read it."""

import os
from pathlib import Path

import pytest

from dataflow.errors import SettingsError
from dataflow.settings import Settings
from dataflow.settings import Sink as SinkOptions
from dataflow.settings import Source as SourceOptions
from dataflow.sink.conflicts import refuse_conflicts


def settings(source: str = "stdin:", **streams: tuple[str, ...]) -> Settings:
    sink = dict.fromkeys(("scores", "alerts", "drift", "late", "dead_letters", "windows"), ()) | streams
    return Settings(source=SourceOptions(uri=source), sink=SinkOptions.model_validate(sink))


@pytest.mark.parametrize(
    ("source", "streams", "says"),
    [
        ("in.jsonl", {"scores": ("in.jsonl",)}, "sink.scores=in.jsonl: is what source.uri=in.jsonl reads"),
        ("in.jsonl", {"late": ("hard.jsonl",)}, "sink.late=hard.jsonl: is what source.uri=in.jsonl reads"),
        ("in.jsonl", {"late": ("soft.jsonl",)}, "is what source.uri=in.jsonl reads"),
        ("*.jsonl", {"late": ("new.jsonl",)}, "is what source.uri=*.jsonl reads"),
        ("**/n*.jsonl", {"late": ("a/b/new.jsonl",)}, "is what source.uri=**/n*.jsonl reads"),
        ("linked/*.jsonl", {"late": ("deep/new.jsonl",)}, "is what source.uri=linked/*.jsonl reads"),
        ("tail:in.jsonl", {"late": ("hard.jsonl",)}, "is what source.uri=tail:in.jsonl reads"),
        ("tail:in.jsonl", {"late": ("in.jsonl.1",)}, "is what source.uri=tail:in.jsonl reads"),
        ("tail:new.jsonl", {"late": ("new.jsonl-20260302",)}, "is what source.uri=tail:new.jsonl reads"),
        ("tail:deep", {"late": ("linked/new.jsonl",)}, "is what source.uri=tail:deep reads"),
        ("tail:none/", {"late": ("none/new.jsonl",)}, "is what source.uri=tail:none/ reads"),
        ("tail:n*.jsonl", {"late": ("new.jsonl",)}, "is what source.uri=tail:n*.jsonl reads"),
        ("p.parquet/x.csv", {"scores": ("p.parquet",)}, "is what source.uri=p.parquet/x.csv reads"),
        ("p.parquet/*", {"scores": ("p.parquet",)}, "is what source.uri=p.parquet/* reads"),
        ("stdin:", {"scores": ("a.jsonl",), "late": ("./deep/../a.jsonl",)}, "is the file of sink.scores"),
        ("stdin:", {"scores": ("in.jsonl",), "late": ("hard.jsonl",)}, "is the file of sink.scores"),
        ("stdin:", {"scores": ("in.jsonl",), "late": ("soft.jsonl",)}, "is the file of sink.scores"),
        ("stdin:", {"scores": ("deep/a",), "late": ("linked/a",)}, "is the file of sink.scores"),
        ("stdin:", {"scores": ("in.jsonl",), "late": ("{here}/in.jsonl",)}, "is the file of sink.scores"),
        ("stdin:", {"late": ("p.parquet/a",), "scores": ("p.parquet",)}, "lies in the folder of sink.scores"),
        (
            "delta:deep/t",
            {"scores": ("delta:linked/t/",)},
            "is what source.uri=delta:deep/t reads; name another",
        ),
        ("delta:s3://b/t?tail=false", {"late": ("delta:s3://b/t",)}, "is what source.uri=delta:s3://b/t"),
        ("deep/t/*.parquet", {"scores": ("delta:deep/t",)}, "is what source.uri=deep/t/*.parquet reads"),
        ("stdin:", {"scores": ("delta:deep/t",), "late": ("delta:linked/t",)}, "is the file of sink.scores"),
        ("stdin:", {"scores": ("delta:deep/t",), "late": ("deep/t/a.jsonl",)}, "lies in the folder of"),
        ("stdin:", {"scores": ("delta:t", "delta:./t")}, "=delta:./t: named more than once"),
        ("stdin:", {"scores": ("a.jsonl", "file:a.jsonl")}, "=file:a.jsonl: named more than once"),
        ("stdin:", {"late": ("stdout:", "stdout:")}, "sink.late=stdout:: named more than once"),
    ],
)
def test_a_file_has_one_writer_and_no_reader(
    source: str, streams: dict[str, tuple[str, ...]], says: str, tmp_path: Path
) -> None:
    Path("in.jsonl").write_text("{}\n")
    os.link("in.jsonl", "hard.jsonl")
    os.symlink("in.jsonl", "soft.jsonl")
    Path("deep").mkdir()
    os.symlink("deep", "linked")
    Path("p.parquet").mkdir()
    Path("p.parquet/x.csv").touch()
    streams = {name: tuple(uri.format(here=tmp_path) for uri in uris) for name, uris in streams.items()}
    with pytest.raises(SettingsError) as caught:
        refuse_conflicts(settings(source, **streams))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert Path("in.jsonl").read_text() == "{}\n"


def test_files_beside_each_other_are_fine() -> None:
    uris = ("out/a.jsonl", "out/.b.jsonl", "out/c.parquet", "out/c.parquet2", "stdout:")
    refuse_conflicts(settings("out/a?.jsonl", scores=uris, late=("stdout:", "out/d.jsonl")))
    refuse_conflicts(settings("**/*.csv", scores=uris))
    refuse_conflicts(settings("tail:in/", scores=uris))
    refuse_conflicts(settings("tail:out/a", scores=uris))

"""Where weights come from, and which files are refused."""

import shutil
import zipfile
from pathlib import Path

import pytest

from export.convert import weights
from export.errors import ModelError
from tests.support.models import model_folder


def test_a_pinned_sum_that_differs_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "cache" / "all-MiniLM-L6-v2", ["Transformer", "Pooling"])
    with pytest.raises(ModelError, match=r"model.safetensors: sha256 is .*, pinned is 53aa51172d142c89"):
        weights.locate(weights.named("all-MiniLM-L6-v2"), tmp_path / "cache", print)
    assert folder.exists()


def test_a_zip_cut_in_parts_is_joined_in_order(tmp_path: Path) -> None:
    model_folder(tmp_path / "model", ["Transformer", "Pooling"])
    archive = Path(shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path, "model"))
    whole = archive.read_bytes()
    parts = [tmp_path / f"p{i}" / f"m.zip.00{i}" for i in (1, 2, 3)]
    for i, part in enumerate(parts):
        part.parent.mkdir()
        part.write_bytes(whole[i * len(whole) // 3 : (i + 1) * len(whole) // 3])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = weights._model_folder([parts[2], parts[0], parts[1]], scratch)
    assert (found / weights.WEIGHTS_FILE).read_bytes() == b"weights"
    with pytest.raises(ModelError, match="is a part missing"):
        weights._model_folder(parts[:2], scratch)


def test_packages_without_a_model_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.txt", "nothing")
    with pytest.raises(ModelError, match="no sentence-transformers folder"):
        weights._model_folder([tmp_path / "a.zip"], tmp_path)


def test_what_a_name_means(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "own", ["Transformer", "Pooling"])
    assert weights.named(str(folder)).folder == folder
    known = weights.named("all-mpnet-base-v2")
    assert (known.folder, len(known.packages)) == (None, 5)
    other = weights.named("all-mpnet-base-v2", ["some-package==1.0"])
    assert (other.folder, other.known, other.packages) == (None, None, ("some-package==1.0",))


def test_every_place_that_failed_is_named_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def downloads(*_: object) -> Path:
        raise ModelError("no network")

    monkeypatch.setattr(weights, "_downloaded", downloads)
    found = weights.named("mine", ["no-such-package-here==1.0"])
    with pytest.raises(ModelError) as refused:
        weights.locate(found, tmp_path / "cache", print)
    assert str(refused.value) == (
        "mine: no place has it: package no-such-package-here is not installed; no network; "
        "its name on the model hub is not known"
    )
    assert list((tmp_path / "cache").iterdir()) == []

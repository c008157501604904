"""Where tables are, and what an error of an object store becomes."""

import builtins
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest
from deltalake.exceptions import DeltaError

from dataflow.endpoints import delta
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError, SourceError, UnreachableError
from dataflow.settings import Delta, Settings

REMOTE = delta.Location("delta:s3://b/t", "s3://b/t", {"AWS_SECRET_ACCESS_KEY": "sesame"})


@pytest.mark.parametrize(
    ("uri", "url", "local"),
    [
        ("delta:out/t", "out/t", True),
        ("delta:/out/a%20b/", "/out/a b", True),
        ("delta:file:///out/t", "/out/t", True),
        ("delta:s3://bucket/deep/t", "s3://bucket/deep/t", False),
        ("delta:gs://bucket/t", "gs://bucket/t", False),
        ("delta:abfss://container@account.dfs.core.windows.net/t", None, False),
    ],
)
def test_a_uri_names_a_folder_or_a_url(uri: str, url: str | None, local: bool) -> None:
    where = delta.location(Settings(delta=Delta(storage_options={"a": "b"})), parse_uri(uri))  # type: ignore[arg-type]
    assert (where.url, where.local, where.options) == (url or uri.removeprefix("delta:"), local, {"a": "b"})


@pytest.mark.parametrize("uri", ["delta:", "delta:/", "delta://bucket/t", "delta:s3://me:sesame@bucket/t"])
def test_a_uri_without_a_table_or_with_a_secret_is_refused(uri: str) -> None:
    with pytest.raises(SettingsError, match="delta: URI: ") as caught:
        delta.location(Settings(), parse_uri(uri))
    assert "sesame" not in str(caught.value)


def explained(error: Exception, where: delta.Location = REMOTE) -> Exception:
    with pytest.raises(SourceError) as caught, delta.explained(where):
        raise error
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "Generic S3 error\n  \x1b[31m↳\x1b[0m HTTP error\n  ↳ Connection refused (os error 111)",
        "Generic S3 error: Client error with status 503 Service Unavailable",
        "operation timed out",
    ],
)
def test_what_may_pass_is_an_outage(text: str) -> None:
    for error in (OSError(text), DeltaError(text)):
        found = explained(error)
        assert isinstance(found, UnreachableError)
        assert "\x1b" not in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "Generic S3 error: Error performing PUT: status code: 403 Forbidden: AccessDenied",
        "Client error with status 401 Unauthorized: no body",
        "an error occurred while loading credentials\n request forbidden\n IMDS is disabled",
    ],
)
def test_what_somebody_must_fix_is_no_outage(text: str) -> None:
    found = explained(OSError(text))
    assert not isinstance(found, UnreachableError)
    assert "see DRIFTLINE_DELTA__STORAGE_OPTIONS" in str(found)


def test_an_error_of_a_folder_is_no_outage() -> None:
    found = explained(OSError("No space left on device"), delta.Location("delta:t", "t", {}))
    assert not isinstance(found, UnreachableError)
    assert str(found) == "delta:t: No space left on device"


def test_secrets_are_not_shown() -> None:
    assert "sesame" not in repr(REMOTE)


def test_without_the_library_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "deltalake":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"pip install 'driftline\[delta\]'"):
        delta.library()


def test_the_newest_version_is_found_from_each_version_with_few_questions(tmp_path: Path) -> None:
    where = delta.Location("delta:t", str(tmp_path), {})
    (tmp_path / "_delta_log").mkdir()
    for newest in range(40):
        (tmp_path / delta.commit_path(newest)).touch()
        files = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
        asked = [delta.newest_version(files, where, version) for version in range(newest + 1)]
        assert asked == [newest] * (newest + 1)

"""Change the version that a running Triton serves, so that at no moment there is none.

Both models of a repository have the same versions: ``sbert`` N asks ``sbert_encoder`` N. What is new is
loaded, warmed and compared with its reference beside what is there; only then is the old let go.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

from dataflow import settings
from export.errors import FailedError, UsageError
from export.manage import verify
from export.manage.triton import Control
from export.repository import install, version_policy
from export.repository.configs import ENCODER, MODEL
from export.repository.install import Layout

Log = Callable[[str], None]
#: Makes version 1 of a new repository in a folder.
Make = Callable[[Path], object]


def on_disk(root: Path) -> list[int]:
    """The whole versions of a repository, ascending."""
    specs = (root / ENCODER).glob("*/spec.json")
    versions = (int(path.parent.name) for path in specs if path.parent.name.isdigit())
    return sorted(version for version in versions if (root / MODEL / str(version)).is_dir())


def switch(control: Control, options: settings.Embed, root: Path, to: Collection[int], log: Log) -> None:
    """Serve the versions ``to`` and no other.

    Raises ``FailedError`` if one of them does not load or is not what it was; what was served before is then
    served as before.
    """
    if missing := sorted(set(to) - set(on_disk(root))):
        raise UsageError(f"{root} has no whole version {missing[0]}, only {_named(on_disk(root))}")
    before = control.ready()
    new = sorted(set(to) - set(before))
    texts = [(path, path.read_text(encoding="utf-8")) for path in version_policy.files(root)]
    try:
        if new:
            version_policy.write(root, {*to, *before} & set(on_disk(root)))
            log(f"loading version {_named(new)}" + (f" beside {_named(before)}" if before else ""))
            for model in (ENCODER, MODEL):
                control.load(model)
            for version in new:
                verdict = verify.gate(options, Layout(root, str(version)))
                log(f"version {version} answers, {verdict.difference:.1e} from its reference")
    except BaseException:
        for path, text in texts:
            version_policy.replace(path, text)
        if before:
            version_policy.write(root, set(before) & set(on_disk(root)) or before)
            log(f"back to version {_named(before)}")
            for model in (MODEL, ENCODER):
                control.load(model)
        raise
    version_policy.write(root, to)
    # The caller before the called.
    for model in (MODEL, ENCODER):
        control.load(model)
    log(f"serving version {_named(to)}")


def promote(
    control: Control, options: settings.Embed, root: Path, make: Make, log: Log, *, keep: bool = False
) -> int:
    """Make a new version and serve it in place of the others (``keep``: beside them); its number.

    Raises as :func:`switch` and ``make`` do; the repository is then as it was.
    """
    before = control.ready()
    number = max([*on_disk(root), *before], default=0) + 1
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".promote-") as scratch:
        make(Path(scratch))
        built, layout = Layout(Path(scratch)), Layout(root, str(number))
        spec, current = install.read_spec(built), on_disk(root)
        if spec is None:
            raise UsageError(f"{scratch}: holds no whole version")
        served = current and install.read_spec(Layout(root, str(current[-1])))
        if served and served.dim != spec.dim:
            raise UsageError(
                f"{spec.name} has {spec.dim} dimensions, {served.name} in {root} has {served.dim}: versions "
                "of one model must agree; give it a repository of its own"
            )
        configs = [
            path.read_text(encoding="utf-8") if path.is_file() else None
            for path in version_policy.files(root)
        ]
        try:
            for source, target in ((built.encoder, layout.encoder), (built.model, layout.model)):
                target.parent.mkdir(exist_ok=True)
                os.replace(source, target)
            for source, target in zip(
                version_policy.files(built.root), version_policy.files(root), strict=True
            ):
                version_policy.replace(
                    target, version_policy.kept(target, source.read_text(encoding="utf-8"))
                )
            log(f"{spec.name} is version {number} in {root}")
            switch(control, options, root, {number, *(before if keep else ())}, log)
        except BaseException:
            for path, text in zip(version_policy.files(root), configs, strict=True):
                if text is not None:
                    version_policy.replace(path, text)
            shutil.rmtree(layout.model, ignore_errors=True)
            shutil.rmtree(layout.encoder, ignore_errors=True)
            raise
    return number


def rollback(
    control: Control, options: settings.Embed, root: Path, log: Log, *, to: int | None = None
) -> int:
    """Serve ``to``, or the version before the one that is served now; its number."""
    ready = control.ready()
    if not ready:
        raise FailedError(f"Triton at {control.url} serves no version; `load` one")
    older = [version for version in on_disk(root) if version < max(ready)]
    if to is None and not older:
        raise UsageError(f"{root} has no version before {max(ready)}")
    number = older[-1] if to is None else to
    switch(control, options, root, {number}, log)
    return number


def copy_version(source: Path, number: int | None) -> Make:
    """For :func:`promote`: a version (None: the newest) of another repository."""
    there = on_disk(source)
    if not there or (number or there[-1]) not in there:
        raise UsageError(f"{source}: holds no whole version {number or ''}".rstrip())
    version = str(number or there[-1])

    def make(scratch: Path) -> None:
        for model in (ENCODER, MODEL):
            shutil.copytree(source / model / version, scratch / model / install.VERSION)
            shutil.copy(source / model / "config.pbtxt", scratch / model)

    return make


def _named(versions: Collection[int]) -> str:
    return " and ".join(map(str, sorted(versions))) or "none"

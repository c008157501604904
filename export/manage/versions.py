"""Changes the version that a running Triton serves, without a moment in which it serves none.

Both models of a repository have the same versions: ``sbert`` N calls ``sbert_encoder`` N. A new version is
loaded, warmed up and compared with its reference while the old one is still served. Only then is the old
version unloaded.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path

from dataflow import settings
from dataflow.embed.repository import ENCODER, MODEL, VERSION, Layout, exported_versions
from export.errors import FailedError, UsageError
from export.manage import verify
from export.manage.triton import RunningTriton
from export.repository import install, version_policy
from export.repository.install import Spec

Log = Callable[[str], None]
#: Makes version 1 of a new repository in a folder.
Make = Callable[[Path], object]


def on_disk(root: Path) -> list[int]:
    """The complete versions of a repository, ascending."""
    return [version for version in exported_versions(root) if Layout(root, str(version)).model.is_dir()]


def switch(triton: RunningTriton, options: settings.Embed, root: Path, to: Collection[int], log: Log) -> None:
    """Serve the versions ``to`` and no others.

    Raises ``FailedError`` if one of them does not load or does not agree with its reference. Triton then
    serves the same versions as before.
    """
    if missing := sorted(set(to) - set(on_disk(root))):
        raise UsageError(f"{root} has no complete version {missing[0]}, only {_named(on_disk(root))}")
    before = triton.ready()
    new = sorted(set(to) - set(before))
    with ExitStack() as undo:
        undo.callback(_serve_again, triton, root, before, log)
        undo.callback(version_policy.saved(root))
        if new:
            version_policy.ask_for(root, {*to, *before} & set(on_disk(root)))
            log(f"loading version {_named(new)}" + (f" beside {_named(before)}" if before else ""))
            # The encoder first: the model calls it.
            for model in (ENCODER, MODEL):
                triton.load(model)
            for version in new:
                verdict = verify.require_unchanged(options, Layout(root, str(version)))
                log(f"version {version} answers, {verdict.difference:.1e} from its reference")
        undo.pop_all()  # all new versions answer: nothing is undone
    version_policy.ask_for(root, to)
    _unload_others(triton)
    log(f"serving version {_named(to)}")


def _serve_again(triton: RunningTriton, root: Path, versions: Collection[int], log: Log) -> None:
    if versions:
        version_policy.ask_for(root, set(versions) & set(on_disk(root)) or versions)
        log(f"back to version {_named(versions)}")
        _unload_others(triton)


def _unload_others(triton: RunningTriton) -> None:
    """Unload the versions that the configs no longer ask for. The model is first: it calls the encoder."""
    for model in (MODEL, ENCODER):
        triton.load(model)


def promote(
    triton: RunningTriton, options: settings.Embed, root: Path, make: Make, log: Log, *, keep: bool = False
) -> int:
    """Make a new version, serve it in place of the others (``keep``: beside them), and return its number.

    Raises what :func:`switch` and ``make`` raise. The repository is then as it was before.
    """
    before = triton.ready()
    number = max([*on_disk(root), *before], default=0) + 1
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".promote-") as scratch:
        make(Path(scratch))
        built, layout = Layout(Path(scratch)), Layout(root, str(number))
        spec = _spec_that_fits(built, root)
        with ExitStack() as undo:
            undo.callback(_remove, layout)
            undo.callback(version_policy.saved(root))
            _move(built, layout)
            log(f"{spec.name} is version {number} in {root}")
            switch(triton, options, root, {number, *(before if keep else ())}, log)
            undo.pop_all()  # the new version is served: nothing is undone
    return number


def _spec_that_fits(built: Layout, root: Path) -> Spec:
    """The spec of ``built``. Raises ``UsageError`` if the versions in ``root`` have another dimension."""
    spec, current = install.read_spec(built), on_disk(root)
    if spec is None:
        raise UsageError(f"{built.root}: holds no complete version")
    served = install.read_spec(Layout(root, str(current[-1]))) if current else None
    if served and served.dim != spec.dim:
        raise UsageError(
            f"{spec.name} has {spec.dim} dimensions, {served.name} in {root} has {served.dim}: all versions "
            "of a model must have one dimension; give this model a repository of its own"
        )
    return spec


def _move(built: Layout, layout: Layout) -> None:
    """Move the folders and configs of ``built`` to ``layout``. The version policy in ``layout`` stays."""
    for source, target in ((built.encoder, layout.encoder), (built.model, layout.model)):
        target.parent.mkdir(exist_ok=True)
        os.replace(source, target)
    configs = zip(
        version_policy.config_files(built.root), version_policy.config_files(layout.root), strict=True
    )
    for source, target in configs:
        text = version_policy.with_policy_of(target, source.read_text(encoding="utf-8"))
        version_policy.write_whole(target, text)


def _remove(layout: Layout) -> None:
    for folder in (layout.model, layout.encoder):
        shutil.rmtree(folder, ignore_errors=True)


def rollback(
    triton: RunningTriton, options: settings.Embed, root: Path, log: Log, *, to: int | None = None
) -> int:
    """Serve ``to``, or the version before the one that is served now, and return its number."""
    ready = triton.ready()
    if not ready:
        raise FailedError(f"Triton at {triton.url} serves no version; `load` one")
    older = [version for version in on_disk(root) if version < max(ready)]
    if to is None and not older:
        raise UsageError(f"{root} has no version before {max(ready)}")
    number = older[-1] if to is None else to
    switch(triton, options, root, {number}, log)
    return number


def copy_version(repository: Path, number: int | None) -> Make:
    """For :func:`promote`: copies a version (None: the newest) of another repository."""
    complete = on_disk(repository)
    if not complete or (number or complete[-1]) not in complete:
        raise UsageError(f"{repository}: holds no complete version {number or ''}".rstrip())
    source = Layout(repository, str(number or complete[-1]))

    def make(scratch: Path) -> None:
        copy = Layout(scratch, VERSION)
        shutil.copytree(source.encoder, copy.encoder)
        shutil.copytree(source.model, copy.model)
        shutil.copy(source.encoder_config, copy.encoder_config)
        shutil.copy(source.config, copy.config)

    return make


def _named(versions: Collection[int]) -> str:
    return " and ".join(map(str, sorted(versions))) or "none"

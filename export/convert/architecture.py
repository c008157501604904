"""Reads the modules of a sentence-transformers folder, and refuses modules that the graph cannot hold."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from export.errors import ModelError

#: The name that sentence-transformers gives to the pooled vector, which its modules pass on.
EMBEDDING = "sentence_embedding"

Pooling = Literal["mean", "cls", "max"]

_OLD_NAMES: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


@dataclass(frozen=True)
class Architecture:
    """A transformer, ``pooling``, a number of ``dense`` layers, then L2 normalisation if ``normalize``."""

    pooling: Pooling
    normalize: bool
    dense: int = 0


def read(folder: Path) -> Architecture:
    """The architecture of a sentence-transformers folder.

    Raises ``ModelError`` with the name of a module or pooling that is not supported.
    """
    modules = _json(folder / "modules.json")
    kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
    dense = kinds.count("Dense")
    normalize = kinds[-1:] == ["Normalize"]
    if kinds != ["Transformer", "Pooling", *["Dense"] * dense, *["Normalize"] * normalize]:
        raise ModelError(
            f"{folder}: modules are {', '.join(kinds)}; supported are Transformer, Pooling and, "
            "optionally, Dense and Normalize, in this order"
        )
    for module in modules[2 : 2 + dense]:
        config = _json(folder / module["path"] / "config.json")
        for name in ("module_input_name", "module_output_name"):
            if (config.get(name) or EMBEDDING) != EMBEDDING:
                raise ModelError(f"{folder}: its Dense works on {config[name]}; supported is {EMBEDDING}")
    return Architecture(_pooling(folder / modules[1]["path"] / "config.json"), normalize, dense)


def _pooling(path: Path) -> Pooling:
    config = _json(path)
    on = [
        name.removeprefix("pooling_mode_")
        for name, value in config.items()
        if value is True and name.startswith("pooling_mode_")
    ]
    modes = [_OLD_NAMES.get(f"pooling_mode_{name}", name) for name in on] or [str(config.get("pooling_mode"))]
    for mode in ("mean", "cls", "max"):
        if modes == [mode]:
            return mode
    raise ModelError(f"{path}: pooling is {' and '.join(modes)}; supported is one of mean, cls, max")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ModelError(f"{path}: not JSON: {error}") from None

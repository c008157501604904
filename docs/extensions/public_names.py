"""Which modules the API reference covers, and which of their public names have no documentation.

A docstring documents a module, class, function or method. A ``#:`` comment documents a constant; a metric has
a help text instead, and a type alias says what it is. A method needs no docstring of its own if a base class
documents the method, or a protocol does whose methods the class all has.
"""

import ast
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeVar, get_origin

from sphinx.pycode import ModuleAnalyzer

#: The packages of the reference.
PACKAGES = ("dataflow", "export")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(package: str) -> Iterator[ModuleType]:
    """The package and all modules below it, but no ``__main__``."""
    root = import_module(package)
    yield root
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not found.name.endswith(".__main__"):
            yield import_module(found.name)


def protocols(covered: Iterable[ModuleType]) -> list[type]:
    """The protocols that the modules define."""
    return [
        value
        for module in covered
        for value in vars(module).values()
        if getattr(value, "_is_protocol", False) and value.__module__ == module.__name__
    ]


def undocumented(module: ModuleType, contracts: Iterable[type]) -> Iterator[str]:
    """The full names in ``module`` that have no documentation.

    ``contracts``: the protocols, which document the methods of the classes that have them.
    """
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    if not ast.get_docstring(tree):
        yield module.__name__
    comments = _comments(module)
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef):
            if _public(node.name) and not ast.get_docstring(node):
                yield f"{module.__name__}.{node.name}"
            if isinstance(node, ast.ClassDef) and _public(node.name):
                yield from _methods(node, getattr(module, node.name), contracts)
        else:
            for name in filter(_public, _assigned(node)):
                if name not in comments and not _says_what_it_is(getattr(module, name)):
                    yield f"{module.__name__}.{name}"


def _methods(node: ast.ClassDef, cls: type, contracts: Iterable[type]) -> Iterator[str]:
    documented = {each.name: False for each in node.body if isinstance(each, Function) and _public(each.name)}
    for each in node.body:  # a property and its setter are one name
        if isinstance(each, Function) and _public(each.name):
            documented[each.name] |= bool(ast.get_docstring(each))
    for name, has_docstring in documented.items():
        if not has_docstring and not any(
            inspect.getdoc(vars(base).get(name)) for base in (*cls.__mro__[1:], *_fulfilled(cls, contracts))
        ):
            yield f"{cls.__module__}.{cls.__qualname__}.{name}"


def _fulfilled(cls: type, contracts: Iterable[type]) -> Iterator[type]:
    """The protocols whose public methods the class has, all of them."""
    for contract in contracts:
        methods = {name for name, value in vars(contract).items() if _public(name) and callable(value)}
        if methods and all(hasattr(cls, name) for name in methods):
            yield contract


def _comments(module: ModuleType) -> set[str]:
    return {name for scope, name in ModuleAnalyzer.for_module(module.__name__).find_attr_docs() if not scope}


def _assigned(node: ast.stmt) -> Iterator[str]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    for target in targets:
        for each in target.elts if isinstance(target, ast.Tuple) else [target]:
            if isinstance(each, ast.Name):
                yield each.id


def _says_what_it_is(value: object) -> bool:
    """Whether ``value`` is a metric, a type alias or a type variable."""
    metric = bool(getattr(value, "_documentation", ""))
    return metric or isinstance(value, TypeVar | type) or get_origin(value) is not None


def _public(name: str) -> bool:
    return not name.startswith("_")

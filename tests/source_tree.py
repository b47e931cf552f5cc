"""The source of the four packages as parsed trees, for the tests of the house rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Imports go to the left only.
PACKAGES = ("providers", "billing", "routing", "gateway")
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
ScopeNode = FunctionNode | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module; ``top`` is False inside a function, ``line`` counts from 1."""

    module: str
    line: int
    top: bool


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the root, its module name, its text and its tree."""

    path: str
    module: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return self.text.count("\n")

    @property
    def package(self) -> str:
        """The top package that it is in."""
        return self.path.split("/")[0]

    @property
    def is_package(self) -> bool:
        """Whether it is an ``__init__.py``."""
        return self.path.endswith("/__init__.py")


@cache
def sources() -> tuple[Source, ...]:
    """Return every Python file of the four packages in order of path."""
    found = []
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            dotted = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            text = file.read_text(encoding="utf-8")
            found.append(Source(path, dotted, text, ast.parse(text, path)))
    return tuple(found)


@cache
def modules() -> frozenset[str]:
    """Return the dotted names of all first-party modules."""
    return frozenset(source.module for source in sources())


@cache
def imports(source: Source) -> tuple[Import, ...]:
    """Return what ``source`` imports; ``from a import b`` gives ``a.b`` where that is a module."""
    return tuple(_imports(source, source.tree, top=True))


def _imports(source: Source, node: ast.AST, *, top: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, top) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from _import_from(source, child, top=top)
        else:
            inside = isinstance(child, FunctionNode | ast.Lambda)
            yield from _imports(source, child, top=top and not inside)


def _import_from(source: Source, node: ast.ImportFrom, *, top: bool) -> Iterator[Import]:
    base = node.module or ""
    if node.level:
        here = source.module.split(".")
        up = node.level - 1 if source.is_package else node.level
        base = ".".join([*here[: len(here) - up], *([node.module] if node.module else [])])
    for alias in node.names:
        submodule = f"{base}.{alias.name}"
        yield Import(submodule if submodule in modules() else base, node.lineno, top)


def scopes(source: Source) -> Iterator[tuple[str, ScopeNode, ScopeNode | None]]:
    """Yield every function and class with its dotted name and the scope that it stands in."""
    yield from _scopes(source.tree, "", None)


def _scopes(
    node: ast.AST, prefix: str, owner: ScopeNode | None
) -> Iterator[tuple[str, ScopeNode, ScopeNode | None]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ScopeNode):
            name = prefix + child.name
            yield name, child, owner
            yield from _scopes(child, name + ".", child)
        else:
            yield from _scopes(child, prefix, owner)


def docstrings(tree: ast.Module) -> frozenset[int]:
    """Return the ``id`` of every node that is a docstring (of an attribute too)."""
    return frozenset(
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def strings(source: Source) -> Iterator[tuple[int, str]]:
    """Yield every string literal that is no docstring, with its line."""
    skip = docstrings(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and id(node) not in skip:
            value = node.value
            if isinstance(value, bytes):
                value = value.decode("latin-1")
            if isinstance(value, str):
                yield node.lineno, value


def identifiers(source: Source) -> Iterator[tuple[int, str]]:
    """Yield every name that the file uses: variables, attributes, arguments, imports, keywords."""
    for node in ast.walk(source.tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield line, name
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield line, node.name
            case ast.keyword(arg=str(name)) | ast.ExceptHandler(name=str(name)):
                yield line, name
            case ast.alias(name=name, asname=asname):
                yield line, name
                yield line, asname or ""

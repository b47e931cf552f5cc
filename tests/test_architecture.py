"""The house rules, so that nobody has to remember them. Each failure says what would be right."""

from __future__ import annotations

import ast
import io
import re
import statistics
import tokenize
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.source_tree import (
    PACKAGES,
    ROOT,
    FunctionNode,
    Source,
    imports,
    modules,
    scopes,
    sources,
    strings,
)

FILE_LINES_MAX = 450
MEDIAN_LINES_MAX = 170
FUNCTION_LINES_MAX = 60
WAIVERS_MAX = 10
BROAD_EXCEPTS_MAX = 3
# A file shorter than this is no room and would only flatter the median.
ROOM_LINES_MIN = 5

# "file::function" -> why nothing narrower will do.
NAMED_BROAD_EXCEPTS: dict[str, str] = {
    "gateway/exchange.py::run": "a fault of ours is a clear 500 and a log line, never a hung client",
}

# What a command does not need, and pages that nobody asks for, are not loaded.
LOADING_BY_NAME = ("gateway/cli.py", "gateway/app.py")

# What a package may import of one on its left, where that is not everything.
MAY_IMPORT = {
    ("billing", "providers"): ("providers.usage", "providers.prices"),
    ("routing", "billing"): (
        "billing.pricing",
        "billing.price",
        "billing.price_list",
        "billing.bands",
        "billing.money",
    ),
}

# Third-party package -> the files or folders that may know it.
HOMES: dict[str, tuple[str, ...]] = {
    "aiohttp": ("providers/client_aiohttp.py",),
    "multidict": (),
    "yarl": ("providers/client_aiohttp.py",),
    "aiohappyeyeballs": ("providers/client_dialling.py",),
    "httptools": ("providers/client_connection.py", "gateway/edge"),
    "sqlalchemy": (
        "billing/schema.py",
        "billing/store.py",
        "billing/json_rows.py",
        "billing/archive.py",
        "billing/removal.py",
        "billing/file_changes.py",
        "billing/server_changes.py",
        "billing/database.py",
        "billing/partitions.py",
        "billing/months.py",
        "billing/backfill.py",
        "billing/rollup_tables.py",
        "billing/past.py",
        "billing/plan_use.py",
        "billing/queries.py",
        "billing/booked.py",
        "billing/past_use.py",
        "billing/audit_store.py",
        "billing/reports.py",
        "billing/sums.py",
        "billing/waits.py",
        "billing/pages.py",
        "billing/shadows.py",
        "billing/focus.py",
        "billing/migrate.py",
        "billing/migrations/",
    ),
    "cryptography": ("gateway/commands/heads_file.py",),
    "alembic": ("billing/migrate.py", "billing/migrations/"),
    "prometheus_client": ("gateway/metrics.py",),
    "fastapi": (
        "gateway/site.py",
        "gateway/admin",
        "gateway/models.py",
        "gateway/kept_answers.py",
        "gateway/dashboard/",
    ),
    "starlette": ("gateway/admin", "gateway/models.py", "gateway/dashboard/"),
    "pyarrow": ("billing/exports.py", "billing/archive.py"),
    "jsonschema": ("gateway/schema_emulation.py",),
    "botocore": ("providers/auth/aws.py",),
    "google": ("providers/auth/google.py",),
    "typer": ("gateway/cli.py", "gateway/commands/"),
    "click": ("gateway/cli.py", "gateway/commands/"),
    "rich": ("gateway/cli.py", "gateway/commands/"),
    "jinja2": ("gateway/dashboard/",),
    "yaml": ("providers/catalog_files.py", "gateway/yaml_lines.py"),
    "genai_prices": ("billing/list_prices.py",),
    "holidays": ("billing/calendar.py",),
    "tiktoken": ("providers/vocabularies.py",),
    "redis": ("billing/limits_redis.py",),
    "psycopg": (),
    "httpx": (),
    "openai": (),
    "anthropic": (),
}

VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}
MUTATORS = {
    "append", "appendleft", "extend", "extendleft", "insert", "remove", "pop", "popleft",
    "popitem", "clear", "update", "setdefault", "add", "discard", "sort", "reverse",
    "intersection_update", "difference_update", "symmetric_difference_update",
}  # fmt: skip
MUTABLE_MAKERS = {
    "list", "dict", "set", "bytearray", "defaultdict", "deque", "OrderedDict", "Counter",
    "WeakKeyDictionary", "WeakValueDictionary", "WeakSet",
}  # fmt: skip
# These are found by their folder, not by an import: see test_no_dead_rooms.
LOADED_BY_FOLDER = ("billing/migrations/", "providers/odd/")

each_source = pytest.mark.parametrize("source", sources(), ids=lambda source: source.path)


@each_source
def test_imports_go_to_the_left_only(source: Source) -> None:
    wrong = []
    for found in imports(source):
        package = found.module.split(".")[0]
        if package not in PACKAGES or package == source.package:
            continue
        if PACKAGES.index(package) > PACKAGES.index(source.package):
            wrong.append(f"line {found.line}: {found.module} lies to the right")
        allowed = MAY_IMPORT.get((source.package, package))
        if allowed is not None and found.module not in allowed:
            wrong.append(f"line {found.line}: {found.module} is not among {', '.join(allowed)}")
    assert not wrong


@each_source
def test_each_library_has_one_home(source: Source) -> None:
    wrong = [
        f"line {found.line}: {found.module}"
        for found in imports(source)
        if (home := HOMES.get(found.module.split(".")[0])) is not None
        and not source.path.startswith(home or ("nowhere",))
    ]
    assert not wrong, "a library is known to its home in HOMES only"


@each_source
def test_first_party_imports_stand_at_the_top(source: Source) -> None:
    inside = [
        f"line {found.line}: {found.module}"
        for found in imports(source)
        if not found.top and found.module.split(".")[0] in PACKAGES
    ]
    assert not inside
    if source.path not in LOADING_BY_NAME:
        by_name = [
            f"line {node.lineno}"
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Call)
            and _called_name(node) in ("import_module", "__import__")
            and _constant(source.tree, node).split(".")[0] in ("", *PACKAGES)
        ]
        assert not by_name, f"only {LOADING_BY_NAME} load our modules by name"


def test_no_import_cycles() -> None:
    graph = {
        source.module: {
            found.module
            for found in imports(source)
            if found.top and found.module in modules() and found.module != source.module
        }
        for source in sources()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as fault:
        pytest.fail(f"modules import each other in a circle: {' <- '.join(fault.args[1])}")


@each_source
def test_files_are_short(source: Source) -> None:
    assert source.lines <= FILE_LINES_MAX, "split it: one room, one purpose"


def test_the_median_file_is_short() -> None:
    sizes = [source.lines for source in sources() if source.lines >= ROOM_LINES_MIN]
    assert statistics.median(sizes) <= MEDIAN_LINES_MAX


@each_source
def test_functions_are_short(source: Source) -> None:
    long = [
        f"{name}: {size} lines"
        for name, node, _ in scopes(source)
        if isinstance(node, FunctionNode)
        and (size := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long


@each_source
def test_no_module_level_state(source: Source) -> None:
    rebound = [
        f"line {node.lineno}: global {', '.join(node.names)}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Global)
    ]
    assert not rebound
    names = set(_mutable_names(source.tree))
    changed = [
        f"line {line}: {name} is changed" for name, line in _changes(source.tree, frozenset(names))
    ]
    assert not changed, "state belongs to an object that somebody makes and passes on"


def test_broad_excepts_are_few_and_named() -> None:
    found = {
        f"{source.path}::{place}" for source in sources() for place in _broad_in(source.tree, "")
    }
    assert found == set(NAMED_BROAD_EXCEPTS), "name each, with its reason, in NAMED_BROAD_EXCEPTS"
    assert len(found) <= BROAD_EXCEPTS_MAX


def test_waivers_are_few_and_say_why() -> None:
    waivers = []
    wrong = []
    form = re.compile(r"#\s*(type:\s*ignore\[[a-z, -]+\]|noqa:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)")
    for source in sources():
        for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
            if token.type != tokenize.COMMENT or not re.search(
                r"type:\s*ignore|noqa", token.string
            ):
                continue
            place = f"{source.path}:{token.start[0]}: {token.string}"
            waivers.append(place)
            code = form.search(token.string)
            if not code or len(token.string[code.end() :].strip(" #:-")) < 8:
                wrong.append(place)
    assert not wrong, "write it so: `# noqa: S608  # why` or `# type: ignore[code]  # why`"
    assert len(waivers) <= WAIVERS_MAX, waivers


def test_no_vague_names() -> None:
    wrong = [
        source.path
        for source in sources()
        for part in source.module.split(".")
        if VAGUE_NAMES & set(part.split("_"))
    ]
    assert not wrong, "the name of a room tells its purpose"


@each_source
def test_public_things_have_a_docstring(source: Source) -> None:
    bare = [
        f"line {node.lineno}: {name}"
        for name, node, owner in scopes(source)
        if not isinstance(owner, FunctionNode)
        and not any(part.startswith("_") for part in name.split("."))
        and not _is_overload(node)
        and not ast.get_docstring(node)
    ]
    assert not bare


def test_no_dead_rooms() -> None:
    used = {
        found.module
        for source in sources()
        for found in imports(source)
        if found.module != source.module
    }
    texts = {text for source in sources() for _, text in strings(source)}
    named = {name for text in texts if (name := text.split(":")[0]) in modules()}
    named |= {
        name.split(":")[0]
        for name in re.findall(
            r'= "([\w.]+:\w+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        )
    }
    commands = {
        text
        for source in sources()
        if source.path == "gateway/cli.py"
        for _, text in strings(source)
    }
    dead = [
        source.path
        for source in sources()
        if not source.is_package
        and source.module not in used | named
        and not source.path.endswith("/__main__.py")
        and not source.path.startswith(LOADED_BY_FOLDER)
        and not (
            source.path.startswith("gateway/commands/")
            and source.module.rsplit(".", 1)[1] in commands
        )
    ]
    assert not dead, "nothing imports these"


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("A = []\ndef f(x):\n    A.append(x)", ["A"]),
        ("a: dict = {}\ndef f(x):\n    a[x] = 1", ["a"]),
        ("a = defaultdict(int)\ndef f(x):\n    a[x] += 1", ["a"]),
        ("a = set()\ndef f(x):\n    del a[x]\n    a.discard(x)", ["a"]),
        ("a = []\ndef f():\n    a = []\n    a.append(1)", []),
        ("a = []\ndef f(a):\n    a.append(1)", []),
        ("A = {1: 2}\ndef f(x):\n    return A.get(x)", []),
    ],
)
def test_changed_state_is_seen(code: str, names: list[str]) -> None:
    tree = ast.parse(code)
    seen = {name for name, _ in _changes(tree, frozenset(_mutable_names(tree)))}
    assert sorted(seen) == names


@pytest.mark.parametrize(
    ("code", "places"),
    [
        ("class A:\n def f(self):\n  try: g()\n  except Exception: pass", ["A.f"]),
        ("def f():\n try: g()\n except (ValueError, BaseException) as e: raise", ["f"]),
        ("try: g()\nexcept: pass", ["the module"]),
        ("def f():\n with contextlib.suppress(Exception): g()", ["f"]),
        ("def f():\n try: g()\n except (OSError, ValueError): pass", []),
    ],
)
def test_broad_excepts_are_seen(code: str, places: list[str]) -> None:
    assert list(_broad_in(ast.parse(code), "")) == places


def _called_name(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _constant(tree: ast.Module, call: ast.Call) -> str:
    """Return the text of the first argument, a literal or a constant of the module; else ""."""
    match call.args:
        case [ast.Constant(value=str(text)), *_]:
            return text
        case [ast.Name(id=name), *_]:
            for node in tree.body:
                match node:
                    case ast.Assign(
                        targets=[ast.Name(id=target)], value=ast.Constant(value=str(text))
                    ) if target == name:
                        return text
    return ""


def _is_overload(node: ast.AST) -> bool:
    marks = getattr(node, "decorator_list", [])
    return any(
        (isinstance(mark, ast.Name) and mark.id == "overload")
        or (isinstance(mark, ast.Attribute) and mark.attr in ("overload", "setter", "deleter"))
        for mark in marks
    )


def _mutable_names(tree: ast.Module) -> Iterator[str]:
    literal = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    for node in tree.body:
        match node:
            case ast.Assign(targets=targets, value=value):
                pass
            case ast.AnnAssign(target=target, value=value) if value is not None:
                targets = [target]
            case _:
                continue
        made = isinstance(value, ast.Call) and _called_name(value) in MUTABLE_MAKERS
        if made or isinstance(value, literal):
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _changes(node: ast.AST, names: frozenset[str]) -> Iterator[tuple[str, int]]:
    """Yield where one of ``names`` is changed, minding functions with a local of that name."""
    for child in ast.iter_child_nodes(node):
        inner = names - _locals(child) if isinstance(child, FunctionNode | ast.Lambda) else names
        match child:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)):
                if attr in MUTATORS and name in names:
                    yield name, child.lineno
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                if name in names:
                    yield name, child.lineno
            case ast.AugAssign(target=ast.Name(id=name)):
                if name in names:
                    yield name, child.lineno
        yield from _changes(child, inner)


def _locals(function: FunctionNode | ast.Lambda) -> set[str]:
    bound = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    return bound


def _broad_in(node: ast.AST, place: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        here = place
        match child:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                here = f"{place}.{child.name}" if place else child.name
            case ast.ExceptHandler(type=kind) if kind is None or _names_broad(kind):
                yield place or "the module"
            case ast.Call(args=args) if _called_name(child) == "suppress":
                if any(map(_names_broad, args)):
                    yield place or "the module"
        yield from _broad_in(child, here)


def _names_broad(kind: ast.AST) -> bool:
    broad = {"Exception", "BaseException", "ExceptionGroup", "BaseExceptionGroup"}
    return any(isinstance(node, ast.Name) and node.id in broad for node in ast.walk(kind))

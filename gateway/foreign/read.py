"""Reads a config of another gateway, whichever it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.foreign import model_list, scenes, selectors
from gateway.foreign.draft import Draft
from gateway.foreign.names import NamesForm
from gateway.problems import ConfigError, Problem
from gateway.yaml_lines import parse

READERS: Mapping[str, Callable[[dict[str, Any], Draft, NamesForm], None]] = MappingProxyType(
    {"model_list": model_list.read, "scenes": scenes.read, "selectors": selectors.read}
)
_REMARK = re.compile(r"^[ \t]*//.*$", re.MULTILINE)
_TABS = re.compile(r"^[ \t]+", re.MULTILINE)


def read(path: Path, names: NamesForm) -> Draft:
    """Return what a config says. Raises ``ConfigError`` for a file that is none that we know."""
    file = str(path)
    try:
        raw = path.read_bytes()
    except OSError as fault:
        right = "the path of another gateway's config"
        why = f"cannot be read: {fault.strerror or fault}"
        raise ConfigError([Problem(file, 1, why, right)]) from None
    data, lines = parse(_as_yaml(raw), file)
    for name, format_ in names.formats.items():
        if isinstance(data, dict) and all(key in data for key in format_.has):
            draft = Draft(format_, lines)
            READERS[name](data, draft, names)
            return draft
    known = "; ".join(format_.name for format_ in names.formats.values())
    raise ConfigError([Problem(file, 1, "is in no form that is known", known)])


def _as_yaml(raw: bytes) -> bytes:
    """Return JSON with remarks and tabs, as people write it, as YAML with the same lines."""
    if not raw.lstrip().startswith(b"{"):
        return raw
    text = _REMARK.sub("", raw.decode("utf-8", errors="replace"))
    return _TABS.sub(lambda found: " " * len(found.group()), text).encode()

"""A client's own settings with ours among them: everything else in the file stays as it was.

The text is edited where TOML and YAML have comments to keep, and the outcome is then read again: it
must say exactly what the old file said with ours laid over it, or nothing is changed at all.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from gateway.connect import toml_text, yaml_text
from gateway.problems import ConfigError
from gateway.yaml_lines import parse

Data = dict[str, Any]
_IDENTITIES = ("id", "name")  # what tells the entries of a list apart
_INDENT = re.compile(r"^[{\[]\s*?\n([ \t]+)")


class MergeError(Exception):
    """The file cannot be edited; the message says why, as the end of a sentence about the file."""


def merged(form: str, text: str, content: Data, missing: Data) -> str:
    """Return the text of a file of ``form`` with ``content`` in it; "" for a file that is new.

    ``missing`` is added where the file says nothing of it. Raises ``MergeError``.
    """
    old = _read(form, text) if text.strip() else {}
    wanted = laid_over(lacking(missing, old), content)
    whole = laid_over(old, wanted)
    if whole == old:
        return text
    if form == "json":
        found = _INDENT.match(text)
        made = json.dumps(whole, indent=found[1] if found else 2, ensure_ascii=False)
        return made + ("\n" if text.endswith("\n") or not text else "")
    edit = toml_text.with_values if form == "toml" else yaml_text.with_values
    made = edit(text, wanted)
    try:
        says = _read(form, made)
    except MergeError:
        says = None
    if says != whole:
        raise MergeError("is written in a way that cannot be edited safely")
    return made


def laid_over(old: Data, new: Mapping[str, Any]) -> Data:
    """Return ``old`` with ``new`` over it: mappings merge, entries of lists by their id or name."""
    found = dict(old)
    for key, value in new.items():
        before = found.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            found[key] = laid_over(dict(before), value)
        elif isinstance(value, list) and isinstance(before, list):
            found[key] = _entries(before, value)
        else:
            found[key] = value
    return found


def lacking(wanted: Mapping[str, Any], old: Mapping[str, Any]) -> Data:
    """Return the part of ``wanted`` of which ``old`` says nothing."""
    found: Data = {}
    for key, value in wanted.items():
        before = old.get(key)
        if key not in old:
            found[key] = value
        elif (
            isinstance(value, Mapping)
            and isinstance(before, Mapping)
            and (inner := lacking(value, before))
        ):
            found[key] = inner
    return found


def identity(entry: Any) -> object:
    """Return what tells an entry of a list from the others; None where nothing does."""
    if isinstance(entry, Mapping):
        return next((entry[name] for name in _IDENTITIES if name in entry), None)
    return None


def _entries(old: list[Any], new: list[Any]) -> list[Any]:
    by_identity = {identity(entry): entry for entry in new}
    by_identity.pop(None, None)
    if len(by_identity) < len(new):
        return new
    kept = [by_identity.pop(identity(entry), entry) for entry in old]
    return [*kept, *by_identity.values()]


def _read(form: str, text: str) -> Data:
    try:
        if form == "json":
            data = json.loads(text, object_pairs_hook=_once)
        elif form == "toml":
            data = tomllib.loads(text)
        else:
            data, _ = parse(text.encode(), "it")
            data = {} if data is None else data
    except ConfigError as fault:
        first = fault.problems[0]
        raise MergeError(
            f"is not the YAML that is read here (line {first.line}: {first.what})"
        ) from None
    except (ValueError, RecursionError) as fault:
        raise MergeError(f"is not {form.upper()} that can be read ({fault})") from None
    if not isinstance(data, dict):
        raise MergeError("is no mapping at its top")
    return data


def _once(pairs: list[tuple[str, Any]]) -> Data:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found

"""One YAML file that is read into one form, every mistake named with its line."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from gateway.config_values import Form
from gateway.problems import ConfigError, Problem, faults_of
from gateway.yaml_lines import parse

F = TypeVar("F", bound=Form)


def read_form(path: Path, form: type[F]) -> F:
    """Return what a file says. Raises ``OSError``, and ``ConfigError`` with every mistake in it."""
    data, lines = parse(path.read_bytes(), str(path))
    try:
        return form.model_validate(data)
    except ValidationError as error:
        faults = faults_of(error, form)
        raise ConfigError(
            Problem(str(path), lines.find(fault.place), fault.what, fault.right) for fault in faults
        ) from None

"""Where the chart library is, which is built when the project is installed (``hatch_build.py``)."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).parent / "static"
NAME = "built/echarts.js"
HOW = "the dashboard shows tables without charts; `make charts` builds them with npm"


def is_built() -> bool:
    """Whether there are charts."""
    return (STATIC / NAME).is_file()

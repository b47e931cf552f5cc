"""docs/accuracy.md, of which several programs write a part each: the page, or a section at its end.

A section begins with its own heading and a mark, and ends where the next mark or the page ends.
"""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
MARK = "\n<!-- written by another program than what stands above -->\n"


def page() -> str:
    """Return all that stands before the first section."""
    return _parts()[0]


def write_page(text: str) -> None:
    """Write all that stands before the first section, and leave the sections as they are."""
    _, sections = _parts()
    _write(text, sections)


def write_section(title: str, text: str) -> None:
    """Write one section, in its old place or at the end; ``text`` comes below its title."""
    before, sections = _parts()
    sections[f"## {title}"] = f"## {title}\n{text}"
    _write(before, sections)


def sections() -> dict[str, str]:
    """Return what stands below each section's title, by that title."""
    _, found = _parts()
    return {heading.removeprefix("## "): text.partition("\n")[2] for heading, text in found.items()}


def _parts() -> tuple[str, dict[str, str]]:
    whole = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    before, *sections = whole.split(MARK)
    return before, {text.partition("\n")[0]: text for text in sections}


def _write(before: str, sections: dict[str, str]) -> None:
    PAGE.write_text(MARK.join([before, *sections.values()]), encoding="utf-8")

"""The pages' texts: every language says the same things, and nothing is said outside of them."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from gateway.dashboard import words
from gateway.dashboard.words import LANGUAGES, TEXTS, Text, language_of

TEMPLATES = TEXTS.parent / "templates"
OTHERS = [language for language in LANGUAGES if language != words.USUAL]
# Names that are the same in every language.
NAMES = {"Entrepôt"}


def texts(language: str) -> dict[str, Text]:
    """Return all texts of a language."""
    return dict(words.words(language)._texts)


def braces(text: Text) -> set[str]:
    """Return the names that a text has to be given."""
    every = [text] if isinstance(text, str) else list(text.values())
    return {name for one in every for _, name, _, _ in string.Formatter().parse(one) if name}


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_texts(language: str) -> None:
    english, other = texts(words.USUAL), texts(language)
    assert english.keys() == other.keys()
    for key, text in english.items():
        assert braces(text) == braces(other[key]), key
        assert isinstance(text, str) == isinstance(other[key], str), key


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_is_not_english_in_disguise(language: str) -> None:
    english, other = texts(words.USUAL), texts(language)
    long = [k for k, text in english.items() if isinstance(text, str) and len(text.split()) > 3]
    alike = [key for key in long if english[key] == other[key]]
    assert alike == []


def test_a_text_is_in_one_file_and_of_one_form() -> None:
    for language in LANGUAGES:
        seen: set[str] = set()
        for path in (TEXTS / language).glob("*.toml"):
            sections = re.findall(r"(?m)^\[([\w.-]+)\]$", path.read_text(encoding="utf-8"))
            assert not seen & set(sections), path
            seen |= set(sections)
        for key, text in texts(language).items():
            if not isinstance(text, str):
                assert set(text) == {"one", "other"}, key
                assert "n" in braces(text), key


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_no_template_has_text_of_its_own(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    source = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", source, flags=re.DOTALL)
    # What is to be typed is the same in every language.
    source = re.sub(r"<(code|pre)\b.*?</\1>", " ", source, flags=re.DOTALL)
    shown = re.sub(r"<[^>]*>", " ", source)
    assert set(re.findall(r"[^\W\d_]{2,}", shown)) - NAMES == set()
    for label in re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*)"', source):
        assert not re.search(r"[^\W\d_]{2,}", label), label


def test_every_text_that_is_named_is_there() -> None:
    known = texts(words.USUAL)
    sections = {key.partition(".")[0] for key in known}
    missing = []
    for path in [*TEMPLATES.glob("*.html"), *TEXTS.parent.glob("*.py")]:
        source = path.read_text(encoding="utf-8")
        for key in re.findall(r"""\bt\(\s*["']([\w.-]+)["'][\s,)]""", source):
            is_whole = not key.endswith((".", "_"))
            missing += [f"{path.name}: {key}"] if is_whole and key not in known else []
        for section in re.findall(r"""\bt\(\s*f?["']([\w-]+)\.["'{]""", source):
            assert section in sections, f"{path.name}: {section}"
    assert missing == []


def test_no_text_is_there_for_nobody() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for path in [*TEMPLATES.glob("*.html"), *TEXTS.parent.glob("*.py")]
    )
    for key in texts(words.USUAL):
        section, _, name = key.partition(".")
        # Some are put together: by their section, or by a beginning of their name.
        begins = [name[:length] for length in range(1, len(name))]
        joined = (
            any(
                f'"{section}.{begin}{end}' in sources
                for begin in ("", *begins)
                for end in ('"', "{")
            )
            or f'"{section}"' in sources
        )
        assert f"{section}.{name}" in sources or joined, key


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("", "", "en"),
        ("de", "zh", "de"),
        ("xx", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "fr;q=0.9, de-AT;q=0.5, en;q=0.1", "de"),
        ("", "en;q=0, de;q=0.1", "de"),
        ("", "de;q=nonsense, zh", "zh"),
        ("", "*;q=0.5", "en"),
    ],
)
def test_the_language_is_the_readers(asked: str, accepted: str, language: str) -> None:
    assert language_of(asked, accepted) == language


def test_numbers_have_their_thousands_apart_and_one_is_one() -> None:
    t = words.words("en")
    assert t("overview.calls", n=1) == "1 call"
    assert t("overview.calls", n=12_345) == "12,345 calls"
    assert t.known("outcome", "something new") == "something new"
    with pytest.raises(KeyError):
        t("nothing.of_this_name")

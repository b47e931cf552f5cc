"""Sentences with names in them, which a page marks: pieces of text, each a name or not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from string import Formatter

from gateway.dashboard.words import Words

# What stands there, and whether it is a name.
Sentence = tuple[tuple[str, bool], ...]


def named(word: str) -> Sentence:
    """Return a name."""
    return ((word, True),)


def said(text: str, **parts: Sentence) -> Sentence:
    """Return a text with other pieces in the places of its ``{names}``."""
    return tuple(_pieces(text, parts))


def joined(between: str, sentences: Iterable[Sentence]) -> Sentence:
    """Return sentences one after the other with ``between`` them."""
    found: list[tuple[str, bool]] = []
    for number, sentence in enumerate(sentences):
        found += ((between, False), *sentence) if number else sentence
    return tuple(found)


def alternatives(names: Iterable[str], t: Words) -> Sentence:
    """Return names as a list of which any one will do."""
    return _listed(names, "list.or", t)


def together(names: Iterable[str], t: Words) -> Sentence:
    """Return names as a list of all of them."""
    return _listed(names, "list.and", t)


def plain(sentence: Sentence) -> str:
    """Return a sentence as text."""
    return "".join(text for text, _ in sentence)


def _listed(names: Iterable[str], key: str, t: Words) -> Sentence:
    every = [named(name) for name in names]
    if len(every) < 2:
        return every[0] if every else ()
    return said(t(key), head=joined(t("list.comma"), every[:-1]), last=every[-1])


def _pieces(text: str, parts: dict[str, Sentence]) -> Iterator[tuple[str, bool]]:
    for literal, place, _, _ in Formatter().parse(text):
        if literal:
            yield literal, False
        if place is not None:
            yield from parts[place]

"""Presidio's analyzer as one more detector: names and the like, which no check digit tells.

An extra (`pip install entrepot[presidio]`), with a language model of spaCy beside it. Written
against presidio-analyzer 2.2 (https://microsoft.github.io/presidio/api/analyzer_python/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

KIND = "presidio"
LIBRARY = "presidio_analyzer"
ENGINES = "presidio_analyzer.nlp_engine"
LANGUAGE, MODEL = "en", "en_core_web_sm"
SCORE_LEAST = 0.5
PIECE_CHARS = 100_000  # spaCy refuses a text of over a million
# Found in nearly every text, and about nobody.
NOBODYS = frozenset({"DATE_TIME", "URL", "LOCATION", "ORGANIZATION", "IP_ADDRESS"})


class Result(Protocol):
    """What the analyzer says of one thing that it found."""

    entity_type: str
    score: float


class Analyzer(Protocol):
    """The one call of ``presidio_analyzer.AnalyzerEngine`` that is made."""

    def analyze(self, text: str, language: str) -> Iterable[Result]:
        """Return what stands in ``text``."""


def missing() -> str:
    """Return what must be installed before the analyzer can be made, "" for nothing."""
    if find_spec(LIBRARY) is None:
        return "pip install 'entrepot[presidio]'"
    # The analyzer would fetch a missing model by itself: nothing here may go to the network so.
    return "" if find_spec(MODEL) else f"install spaCy's model {MODEL}"


def analyzer() -> Analyzer:
    """Make the analyzer; takes seconds and some 100 MB. Raises ``ImportError`` where it lacks."""
    if lack := missing():
        raise ImportError(f"the detector `{KIND}` cannot work: {lack}")
    library: Any = import_module(LIBRARY)
    engines: Any = import_module(ENGINES)
    engine = engines.NlpEngineProvider(
        nlp_configuration={
            "nlp_engine_name": "spacy",
            "models": [{"lang_code": LANGUAGE, "model_name": MODEL}],
        }
    ).create_engine()
    made: Analyzer = library.AnalyzerEngine(nlp_engine=engine, supported_languages=[LANGUAGE])
    return made


def finder(made: Analyzer) -> Callable[[str], Iterator[str]]:
    """Return what gives the kind for each thing that the analyzer is sure enough of."""

    def found(text: str) -> Iterator[str]:
        for at in range(0, len(text), PIECE_CHARS):
            for result in made.analyze(text[at : at + PIECE_CHARS], language=LANGUAGE):
                if result.score >= SCORE_LEAST and result.entity_type not in NOBODYS:
                    yield KIND

    return found

"""The detectors that a config asks for, as one: what they find in texts is counted, never kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from routing.detectors import contact, credentials, identity, money, presidio
from routing.detectors.numbers import MOST, Rule, Scan, Table, kinds_of, scan, table
from routing.detectors.plain import plain

Finder = Callable[[Scan], Iterator[str]]
_BETWEEN = "\x00"  # no pattern reads across it; a cue word may stand on its other side

_FINDERS: Mapping[str, Finder] = MappingProxyType(
    {
        contact.EMAIL: contact.emails,
        contact.PHONE: contact.phones,
        money.IBAN: money.ibans,
        identity.KIND: identity.by_other_means,
        credentials.PRIVATE_KEY: credentials.private_keys,
        credentials.API_TOKEN: credentials.tokens,
    }
)
_RULES: Mapping[str, Callable[[], Iterator[tuple[str, Rule]]]] = MappingProxyType(
    {contact.PHONE: contact.rules, money.CARD: money.rules, identity.KIND: identity.rules}
)
KINDS = ("email", "phone", "iban", "card", "national_id", "private_key", "api_token", "presidio")


@dataclass(frozen=True, slots=True)
class Detectors:
    """Compiled detectors; ``labels`` gives the label that each kind raises to.

    ``slow``: one of them takes milliseconds a kilobyte, so that it must not run on the event loop.
    """

    labels: Mapping[str, str]
    order: tuple[str, ...]
    slow: bool
    _finders: tuple[Finder, ...]
    _numbers: Table
    _analyzer: Callable[[str], Iterator[str]] | None

    def found(self, texts: Iterable[str]) -> dict[str, int]:
        """Return how many of each kind stand in the texts; a kind of which there is none is absent.

        Of a kind no more than ``MOST`` are counted. Time is linear in the texts' length.
        """
        text = plain(_BETWEEN.join(texts))
        seen = scan(text)
        counts: dict[str, int] = {}
        for finder in self._finders:
            _count(counts, finder(seen))
        if self._numbers:
            _count(counts, kinds_of(seen, self._numbers))
        if self._analyzer is not None:
            _count(counts, self._analyzer(text))
        return counts

    def label(self, found: Mapping[str, int]) -> str | None:
        """Return the most sensitive label that what was found raises to; None where nothing was."""
        asked = {self.labels[kind] for kind, count in found.items() if count}
        return max(asked, key=self.order.index, default=None)


def _count(counts: dict[str, int], kinds: Iterator[str]) -> None:
    # A finder gives one kind, the numbers' table at most three: enough of each ends it.
    here: dict[str, int] = {}
    for kind in kinds:
        here[kind] = here.get(kind, 0) + 1
        if here[kind] >= MOST:
            break
    for kind, count in here.items():
        counts[kind] = min(MOST, counts.get(kind, 0) + count)


def compiled(
    kinds: Mapping[str, str], order: Sequence[str], analyzer: presidio.Analyzer | None = None
) -> Detectors:
    """Return the detectors of ``kinds``, each with the label that it raises to.

    ``order`` is the policy's labels, rising. ``analyzer`` is Presidio's, made here where it is
    asked for and not given. Raises ``ValueError`` for a kind or a label that is none, and
    ``ImportError`` where the extra lacks.
    """
    for kind, label in kinds.items():
        if kind not in KINDS or label not in order:
            raise ValueError(f"no such detector or label: {kind}: {label}")
    rules = (rule for kind in kinds if kind in _RULES for rule in _RULES[kind]())
    asked = presidio.KIND in kinds
    return Detectors(
        labels=MappingProxyType(dict(kinds)),
        order=tuple(order),
        slow=asked,
        _finders=tuple(finder for kind, finder in _FINDERS.items() if kind in kinds),
        _numbers=table(rules),
        _analyzer=presidio.finder(analyzer or presidio.analyzer()) if asked else None,
    )

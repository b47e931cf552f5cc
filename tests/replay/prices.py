"""The recorded usages of the corpus, priced by the gateway and by the price package.

    python -m tests.replay.prices

writes the section on costs of docs/accuracy.md. Both get the same buckets of usage, as the
gateway's own readers find them in the recorded answers, the same model, host and moment. What the
host states as its charge is left out, so that arithmetic stands against arithmetic.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import genai_prices
from msgspec.structs import replace

from billing import pricing
from billing.money import PICO_PER_USD
from gateway.config_file import read
from gateway.setup import Setup, compile_setup
from providers.dialect import Dialect
from providers.errors import UpstreamError
from providers.usage import Usage
from providers.wires.registry import WIRES
from tests.accuracy_page import write_section
from tests.golden.cases import cases as golden_cases
from tests.golden.cases import provider_of
from tests.replay import corpus
from tests.replay.corpus import RELAYED, Case
from tests.replay.hosts import ENTRIES
from tests.running import config

TITLE = "Costs"
# Moments at which prices differ: in DeepSeek's peak, on its weekend, after Google's rises.
MOMENTS: Mapping[str, datetime] = {
    "Friday 2026-11-27, 02:00 UTC": datetime(2026, 11, 27, 2, tzinfo=UTC),
    "Saturday 2026-11-28, 02:00 UTC": datetime(2026, 11, 28, 2, tzinfo=UTC),
    "Monday 2027-01-04, 12:00 UTC": datetime(2027, 1, 4, 12, tzinfo=UTC),
}
# The corpus's hosts, and the catalogue's, whatever wire they were recorded on.
HOSTS: Mapping[str, str] = {
    **{name: entry for (name, _), entry in ENTRIES.items()},
    "bedrock-mantle": "amazon-bedrock",
    "copilot": "github-copilot",
    "perplexity": "perplexity",
}
Verdict = Literal["agreed", "differs", "neither", "only here", "only there"]
VERDICTS: Mapping[Verdict, str] = {
    "agreed": "the same, to the last digit",
    "differs": "another figure, for a reason below",
    "only here": "priced here only",
    "only there": "priced by the package only",
    "neither": "priced by neither",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one recording used, and where. ``package`` is the host's name in the price package."""

    id: str
    host: str
    package: str
    model: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Compared:
    """One recording at one moment: pico dollars here and there, None where it is not priced."""

    recorded: Recorded
    here: int | None
    there: int | None
    why: str

    @property
    def verdict(self) -> Verdict:
        """How the two stand to each other."""
        if self.here == self.there:
            return "agreed" if self.here is not None else "neither"
        if self.here is None:
            return "only there"
        return "only here" if self.there is None else "differs"

    def __str__(self) -> str:
        """Return it as a line."""
        told = self.recorded
        return f"{self.verdict} {told.host}/{told.model} {self.here} {self.there} {self.why}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the two differ, for the hosts and models that match and the ``verdicts`` it is about.

    ``word`` is part of what the gateway says of a cost that it does not know. ``searches``: only
    where the host searched.
    """

    words: str
    verdicts: tuple[Verdict, ...]
    host: str = "*"
    model: str = "*"
    word: str = ""
    searches: bool = False

    def covers(self, one: Compared) -> bool:
        """Whether it explains ``one``."""
        return (
            one.verdict in self.verdicts
            and fnmatchcase(one.recorded.host, self.host)
            and fnmatchcase(one.recorded.model, self.model)
            and self.word in one.why
            and (not self.searches or one.recorded.usage.searches > 0)
        )


REASONS = (
    Reason(
        "the package has no price of this host's searches and leaves them out",
        ("differs",),
        host="[dx]*",
        searches=True,
    ),
    Reason(
        "the package has no weekday: it charges the peak of DeepSeek on a weekend too",
        ("differs",),
        host="deepseek",
    ),
    Reason(
        "a subscription: a call within it costs nothing more, and the package has what it weighs",
        ("differs",),
        host="github-copilot",
    ),
    Reason(
        "a server at home: its catalogue says that it charges nothing",
        ("only here",),
        host="[lov]*",
    ),
    Reason("free by the host's own list, which the package has not", ("only here",), "zai"),
    Reason("in the catalogue, with a source, and not in the package", ("only here",), "alibaba"),
    Reason(
        "a host that the catalogue has not", ("only there",), word="the catalogue has no such host"
    ),
    Reason(
        "the host's own figures contradict each other, so that nobody can price them",
        ("only there",),
        word="contradict each other",
    ),
    Reason(
        "audio without a price of its own: unknown here, charged as text by the package",
        ("only there",),
        word="audio_",
    ),
    Reason(
        "a tier of service whose price nobody states: unknown here, the usual price in the package",
        ("only there",),
        word="tier of service",
    ),
    Reason(
        "searches whose price nobody states: unknown here, left out by the package",
        ("only there",),
        word="search of the host's",
    ),
    Reason(
        "no price is stated: unknown here, nothing in the package",
        ("only there",),
        word="no price is known for input",
    ),
)


@cache
def recorded(every: int = 1) -> tuple[Recorded, ...]:
    """Return what whole recorded answers used; ``every`` 8 reads one of eight."""
    kinds = {*corpus.WIRES, *RELAYED}
    rows = [row for row in corpus.index() if row["kind"] in kinds and row["status"] == 200]
    return tuple(one for row in rows[::every] if (one := _recorded(str(row["path"]))))


def _recorded(path: str) -> Recorded | None:
    case = corpus.recorded(path)
    usage = usage_of(case) if case.model else None
    if usage is None or usage.state != "reported":
        return None
    host = HOSTS.get(case.provider, "")
    package = _package(host) if host else case.provider
    usage = replace(usage, stated_usd=None)
    return Recorded(case.id, host or f"({case.provider})", package, case.model, usage)


def usage_of(case: Case) -> Usage | None:
    """Return what the gateway reads of a recorded answer's usage; None where it is no answer."""
    wire = WIRES[case.wire]
    dialect = _dialect(case)
    try:
        if not case.is_stream and wire.relay is not None:
            return wire.relay.tap(case.body, dialect).usage
        if not case.is_stream:
            return wire.host.read(case.body, dialect, "a/b").usage
        reader = wire.host.reader(dialect, "a/b", False)
        reader.feed(case.body)
        reader.end()
    except UpstreamError:
        return None
    return reader.usage


@cache
def setup() -> Setup:
    """Return the setup of a gateway that has the recorded hosts, each at its usual endpoint."""
    providers = {name: provider_of({"host": name}) for name in sorted(set(HOSTS.values()))}
    for name, form in providers.items():
        if "base_url" not in form and name in ("llama-cpp", "lm-studio", "ollama", "vllm"):
            form["base_url"] = "http://127.0.0.1:9/v1"
    with TemporaryDirectory() as folder:
        path = config(Path(folder), providers=providers)
        return compile_setup(read(path, {}), price_all=True)


def _dialect(case: Case) -> Dialect:
    host = HOSTS.get(case.provider)
    if host is None:
        return Dialect()
    return setup().route(f"{host}/{case.model}").dialects.get(case.wire, Dialect())


def _package(host: str) -> str:
    return setup().providers[host].host.genai_prices or host


def compared(moment: datetime, every: int = 1) -> list[Compared]:
    """Return the recordings as both price them at ``moment``."""
    return [_compared(one, moment) for one in recorded(every)]


def _compared(one: Recorded, moment: datetime) -> Compared:
    here, why = _here(one, moment)
    return Compared(one, here, _there(one, moment), why)


def _here(one: Recorded, moment: datetime) -> tuple[int | None, str]:
    if one.host.startswith("("):
        return None, "the catalogue has no such host"
    route = setup().route(f"{one.host}/{one.model}")
    found = pricing.cost(one.usage, route.prices, moment)
    return found.pico, found.why


def _there(one: Recorded, moment: datetime) -> int | None:
    usage = one.usage
    theirs = genai_prices.Usage(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write + usage.cache_write_long,
        cache_write_1h_tokens=usage.cache_write_long,
        input_audio_tokens=usage.audio_input,
        input_image_tokens=usage.image_input,
        output_tokens=usage.completion_tokens,
        output_reasoning_tokens=usage.reasoning,
        output_audio_tokens=usage.audio_output,
        output_image_tokens=usage.image_output,
        web_searches=usage.searches,
        # No host tells what of its cache was sound or an image.
        cache_audio_read_tokens=0,
        cache_image_read_tokens=0,
        cache_audio_write_tokens=0,
        cache_image_write_tokens=0,
        output_audio_reasoning_tokens=0,
        output_image_reasoning_tokens=0,
    )
    context = {"processing" if usage.tier == "batch" else "service_tier": usage.tier}
    try:
        found = genai_prices.calc_price(
            theirs,
            one.model,
            provider_id=one.package,
            genai_request_timestamp=moment,
            price_context=context if usage.tier else None,
        )
    except LookupError:
        return None
    return round(found.total_price * PICO_PER_USD)


def reason_of(one: Compared) -> Reason | None:
    """Return the first reason that explains ``one``."""
    return next((reason for reason in REASONS if reason.covers(one)), None)


def section() -> str:
    """Return the section of the page."""
    found = {name: compared(moment) for name, moment in MOMENTS.items()}
    counts = {name: Counter(one.verdict for one in told) for name, told in found.items()}
    head = " | ".join(["", *MOMENTS]).strip()
    lines = [_intro(len(recorded())), f"\n| {head} |\n|---|{'--:|' * len(MOMENTS)}\n"]
    for verdict, words in VERDICTS.items():
        cells = " | ".join(f"{counts[name][verdict]:,}" for name in MOMENTS)
        lines.append(f"| {words} | {cells} |\n")
    lines.append(f"\n| Why | {' | '.join(MOMENTS)} |\n|---|{'--:|' * len(MOMENTS)}\n")
    by_reason = {
        name: Counter(reason.words for one in told if (reason := reason_of(one)))
        for name, told in found.items()
    }
    for words in dict.fromkeys(reason.words for reason in REASONS):
        cells = " | ".join(f"{by_reason[name][words] or ''}" for name in MOMENTS)
        lines.append(f"| {words} | {cells} |\n")
    return "".join(lines)


def _intro(recordings: int) -> str:
    return f"""
{len(golden_cases())} costs were worked out by hand from published prices (`tests/golden/costs.yaml`, each with its
arithmetic and where its figures are from); catalogue, config and pricing come to the same, to the
last digit. They stand for every kind of tier: dated rises, hours, weekends and public holidays,
long prompts, batch, flex and priority, dearer regions, reads and writes of caches by lifetime,
audio, images, searches, fees a request, other currencies, discounts, charges that the host states.

{recordings:,} usages of the recorded traffic were priced here and by genai-prices {genai_prices.__version__}, each at its own
host and model and at three moments.
"""


def main() -> int:
    """Write the section; exit 1 where a difference has no reason."""
    open_ = [
        str(one)
        for moment in MOMENTS.values()
        for one in compared(moment)
        if one.verdict not in ("agreed", "neither") and reason_of(one) is None
    ]
    if open_:
        sys.stderr.write("\n".join([*sorted(set(open_)), f"{len(open_)} without a reason", ""]))
        return 1
    write_section(TITLE, section())
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""One attempt's account: from what was seen of it to one ledger entry, once."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from billing import pricing
from billing.ledger import Entry
from billing.money import PICO_PER_USD, pico
from billing.pricing import Cost, Price
from gateway.call import Call
from gateway.front import Headers, plain_header
from gateway.house import House
from gateway.lanes import Lane
from gateway.translate import Translated
from providers import tokens
from providers.endpoint import Endpoint
from providers.errors import ErrorKind, UpstreamError
from providers.usage import NOTHING, Usage
from providers.wires.wire import Reader
from routing.affinity import Loss, loss
from routing.route import Route, ceiling

LOST_MAX_CHARS = NOTES_MAX_CHARS = 1000
# Attempts beside the call itself are counted apart, so that no two have one id.
MARKS = MappingProxyType({"shadow": "s", "judge": "j"})
# Faults after which the host may have worked for us, and billed: what it used is not known.
MAY_HAVE_COST = frozenset({ErrorKind.TIMEOUT, ErrorKind.CUT, ErrorKind.MALFORMED})


@dataclass(slots=True, eq=False)
class Attempt:
    """One call to one host, as far as it has come. ``began`` is monotonic seconds.

    ``endpoint`` is the route's address with the key that was chosen; ``purpose`` as in the ledger.
    ``resumes`` is the stream that broke off and is gone on with.
    """

    call: Call
    route: Route
    lane: Lane
    number: int
    endpoint: Endpoint
    purpose: str = "call"
    verdict: str = ""
    resumes: Translated | None = None
    began: float = field(default_factory=time.perf_counter)
    at_us: int = field(default_factory=lambda: time.time_ns() // 1000)
    sent: bool = False
    committed: bool = False
    status: int = 0
    outcome: str = "failed"
    error: str = ""
    finish: str = ""
    served: str = ""
    usage: Usage = NOTHING
    text_bytes: int = 0
    first_content_ms: int | None = None
    reader: Reader | Translated | None = None
    notes: list[str] = field(default_factory=list)
    upstream_id: str = ""
    entry: Entry | None = None

    @property
    def relays(self) -> bool:
        """Whether the host's answer passes byte for byte."""
        return self.lane.relayed and not self.call.continues

    def elapsed_ms(self) -> int:
        """Milliseconds since the attempt began."""
        return int((time.perf_counter() - self.began) * 1000)

    @property
    def first_content_s(self) -> float | None:
        """Seconds until a stream's first content; None for what was no stream."""
        if self.first_content_ms is None or not self.call.peek.stream:
            return None
        return self.first_content_ms / 1000

    @property
    def tokens_per_s(self) -> float | None:
        """How fast the answer came, from its first content on; None where nobody can tell."""
        if self.entry is None or self.entry.usage_state != "reported":
            return None
        from_ms = self.first_content_ms if self.call.peek.stream else 0
        spent_ms = self.entry.total_ms - (from_ms or 0)
        return self.entry.completion_tokens * 1000 / spent_ms if spent_ms > 0 else None

    def fail(self, fault: UpstreamError) -> None:
        """Note how the attempt ended: ``cut`` once the client had content, else ``failed``."""
        self.outcome = "cut" if self.committed else "failed"
        self.error = fault.kind.value
        self.status = fault.status or self.status

    def headers(self) -> Headers:
        """The ``x-entrepot-*`` headers of the answer that this attempt gives."""
        headers: Headers = [
            (b"x-entrepot-request-id", self.call.record.request_id.encode()),
            (b"x-entrepot-route", plain_header(self.route.name)),
            (b"x-entrepot-operator", _csv(self.route.facts.operator).encode()),
            (b"x-entrepot-attempts", str(self.number).encode()),
            (b"x-entrepot-lane", b"relay" if self.relays else b"translate"),
        ]
        if self.lane.lost:
            # A client names its own fields: nothing of them may end the header.
            lost = ",".join(self.lane.lost)[:LOST_MAX_CHARS]
            headers.append((b"x-entrepot-lost", plain_header(lost)))
        if self.lane.changed:
            changed = ", ".join(self.lane.changed)[:LOST_MAX_CHARS]
            headers.append((b"x-entrepot-changed", plain_header(changed)))
        return headers


def _csv(countries: frozenset[str] | None) -> str:
    return ",".join(sorted(countries or ("unknown",)))


def settle(house: House, attempt: Attempt) -> Entry:
    """Price the attempt and put its entry in the journal; a second call gives the same entry.

    Synchronous from end to end, so that no cancellation can come between.
    """
    if attempt.entry is None:
        if attempt.route.endpoint.server is not None and attempt.outcome == "completed":
            _look_back(house, attempt)
        usage = _usage(attempt)
        lost = _learn(house, attempt, usage)
        entry = attempt.entry = _entry(attempt, usage, lost)
        if attempt.sent and entry.outcome != "failed":
            used = entry.prompt_tokens + entry.completion_tokens
            house.windows.used(entry.provider, tokens=used)
        house.keep(entry)
        record = attempt.call.record
        record.attempts.append(entry)
        cost = entry.cost_pico
        known = record.cost_pico is not None and cost is not None
        record.cost_pico = (record.cost_pico or 0) + (cost or 0) if known else None
        if record.most_pico is not None:
            most = cost if cost is not None else _most(attempt)
            record.most_pico = record.most_pico + most if most is not None else None
    return attempt.entry


def _most(attempt: Attempt) -> int | None:
    """Return what an attempt of unknown cost can have cost, 1e-12 dollars; None: unknown."""
    began = datetime.fromtimestamp(attempt.at_us / 1e6, UTC)
    return ceiling(attempt.route, began, attempt.call.size)


def _learn(house: House, attempt: Attempt, usage: Usage) -> Loss | None:
    """Learn from an answer how long it was and what is cached now; return what a move lost."""
    call, route = attempt.call, attempt.route
    if attempt.outcome != "completed" or attempt.purpose != "call":
        return None
    house.answers.seen(call.facts.key, call.peek.model, usage.completion_tokens)
    if call.conversation is None:
        return None
    began = datetime.fromtimestamp(attempt.at_us / 1e6, UTC)
    lost = loss(route, usage, call.warm, call.candidates.routes, began)
    house.affinity.answered(call.conversation, route, usage, began)
    if lost is not None and lost.tokens:
        house.metrics.count("cache_lost_tokens", (lost.moved_from,), lost.tokens)
        house.metrics.count("cache_lost_usd", (lost.moved_from,), (lost.pico or 0) / PICO_PER_USD)
    return lost


def _look_back(house: House, attempt: Attempt) -> None:
    call = attempt.call
    note = house.at_home.look_back(
        attempt.route, call.lanes, _usage(attempt), call.record.request_id
    )
    attempt.notes += [note] if note else []


def _usage(attempt: Attempt) -> Usage:
    """What was used: as the host reported it, else estimated from what passed, else missing."""
    reader = attempt.reader
    usage = reader.usage if reader is not None else attempt.usage
    if usage.state == "reported" or not attempt.sent:
        return usage if usage.state == "reported" else NOTHING
    text_bytes = reader.text_bytes if reader is not None else attempt.text_bytes
    prompt = tokens.estimate(attempt.call.peek.text_bytes)
    if text_bytes or (reader is not None and attempt.outcome == "cancelled"):
        return Usage(input=prompt, output=tokens.estimate(text_bytes), state="estimated")
    if attempt.outcome == "failed" and attempt.error not in MAY_HAVE_COST:
        return NOTHING
    return Usage(input=prompt, state="missing")


def _cost(attempt: Attempt, usage: Usage) -> Cost:
    per_hour = attempt.route.usd_per_hour
    if per_hour is None:
        began = datetime.fromtimestamp(attempt.at_us / 1e6, UTC)
        return pricing.cost(usage, attempt.route.prices, began, attempt.route.surcharge)
    if usage.state == "none":
        return pricing.cost(usage, None, datetime.now(UTC))
    # A machine at home is paid by the hour: this call's share is the time that it took.
    return Cost(
        pico(per_hour * attempt.elapsed_ms() / 3_600_000),
        "priced",
        Price(None, None, source=f"config: {per_hour.normalize():f} USD per hour"),
    )


def _entry(attempt: Attempt, usage: Usage, lost: Loss | None) -> Entry:
    call, route, reader, lane = attempt.call, attempt.route, attempt.reader, attempt.lane
    cost = _cost(attempt, usage)
    return Entry(
        attempt_id=f"{call.record.request_id}.{MARKS.get(attempt.purpose, '')}{attempt.number}",
        request_id=call.record.request_id,
        attempt=attempt.number,
        at_us=attempt.at_us,
        key=call.principal.name,
        team=call.principal.team,
        label=call.facts.label,
        tags=",".join(sorted(call.facts.tags)),
        session=call.session,
        wire=call.record.wire,
        stream=call.peek.stream,
        lane="relay" if attempt.relays else "translate",
        host_wire=lane.wire.name,
        lost=",".join(lane.lost)[:LOST_MAX_CHARS],
        notes="; ".join((*lane.changed, *lane.notes, *attempt.notes))[:NOTES_MAX_CHARS],
        model_asked=call.peek.model,
        provider=route.provider,
        model=route.model,
        host=attempt.endpoint.host,
        endpoint=attempt.endpoint.endpoint,
        operator=_csv(route.facts.operator),
        place=_csv(route.facts.processed_in),
        policy_hash=call.setup.policy.hash,
        config_hash=call.setup.hash,
        outcome=attempt.outcome,
        error=attempt.error,
        status=attempt.status,
        finish=reader.finish if reader is not None else attempt.finish,
        usage_state=usage.state,
        input=usage.input,
        cache_read=usage.cache_read,
        cache_write=usage.cache_write,
        cache_write_long=usage.cache_write_long,
        audio_input=usage.audio_input,
        output=usage.output,
        reasoning=usage.reasoning,
        audio_output=usage.audio_output,
        reconciled=usage.reconciled,
        cost_pico=cost.pico,
        cost_state=cost.state,
        prices=cost.price.unit_prices if cost.price is not None else "",
        price_source=cost.price.source if cost.price is not None else "",
        price_date=cost.price.date if cost.price is not None else "",
        first_content_ms=attempt.first_content_ms,
        total_ms=attempt.elapsed_ms(),
        served_model=reader.model if reader is not None else attempt.served,
        purpose=attempt.purpose,
        verdict=attempt.verdict,
        needs=",".join(sorted(call.peek.needs)),
        prompt_most=call.size.prompt_tokens,
        output_most=call.size.output_tokens,
        decision=call.decision,
        moved_from=lost.moved_from if lost is not None else "",
        cache_lost_tokens=lost.tokens if lost is not None else 0,
        cache_lost_pico=lost.pico if lost is not None else 0,
    )

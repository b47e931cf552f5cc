"""One call to one host, as far as it has come; ``settle`` makes its entry of it in the end."""

from __future__ import annotations

import time
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field

from billing.ledger import Entry
from billing.limits import FREE, Hold
from billing.opened import NO_SLOT
from gateway.call import Call
from gateway.front import Headers, plain_header
from gateway.home_meter import Took
from gateway.lanes import Lane
from gateway.translate import Translated
from providers.endpoint import Endpoint
from providers.errors import UpstreamError
from providers.usage import NOTHING, Usage
from providers.wires.kept import Kept
from providers.wires.wire import Reader
from routing.route import Route

LOST_MAX_CHARS = 1000
MARKS = MappingProxyType({"shadow": "s", "judge": "j"})


class Attempt(Struct, eq=False):
    """One call to one host, as far as it has come. ``began`` is monotonic seconds.

    ``endpoint`` is the route's address with the key that was chosen; ``purpose`` as in the ledger.
    ``resumes`` is the stream that broke off and is gone on with. ``kept`` has the words of a whole
    answer without usage, where they can be counted; those of a stream are with its ``reader``.
    ``held`` is set aside in budgets of its provider. ``beginning`` is what is known of it when it
    is sent, and ``slot`` where the journal has noted that it was. ``plan`` is the subscription that
    paid it, ``took`` what it took of a machine at home: both are known when it is settled.
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
    kept: Kept | None = None
    first_content_ms: int | None = None
    reader: Reader | Translated | None = None
    notes: list[str] = field(default_factory=list)
    upstream_id: str = ""
    beginning: dict[str, Any] | None = None
    slot: int = NO_SLOT
    plan: str = ""
    took: Took | None = None
    entry: Entry | None = None
    held: Hold = FREE

    @property
    def id(self) -> str:
        """The attempt's own id; those beside a call are counted apart, so that no two have one."""
        return f"{self.call.record.request_id}.{MARKS.get(self.purpose, '')}{self.number}"

    @property
    def countable(self) -> bool:
        """Whether somebody can count the tokens of a text, so that words are worth keeping."""
        server = self.route.endpoint.server
        return bool(self.route.tokenizer or (server is not None and server.tokenise is not None))

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
            (b"x-entrepot-operator", countries(self.route.facts.operator).encode()),
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


@lru_cache(maxsize=1024)  # asked three times an attempt, of some dozen different places
def countries(known: frozenset[str] | None) -> str:
    """Return countries as the ledger and the headers have them."""
    return ",".join(sorted(known or ("unknown",)))

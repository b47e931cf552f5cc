"""One attempt at one host, as the ledger keeps it for good. Pure data; never edited.

A correction is another entry, whose figures are what has to be added. Prompts and answers are not
in here, nor is any key.
"""

from __future__ import annotations

import msgspec

# The purposes whose answers are for a client; the others only count tokens, or compare.
ANSWERING = ("call", "hedge", "continue")
# What is asked beside a client's request, and is no request of anybody's.
BESIDE = ("shadow", "judge")
# Adds to an entry that is there already; no attempt of its own.
CORRECTION = "correction"


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt. Field for field a line of the journal and a row of the ledger.

    Times: ``at_us`` microseconds since 1970 in UTC when the attempt began, ``first_content_ms`` and
    ``total_ms`` from there on. Tokens stand in disjoint buckets (``providers.usage``). Money:
    ``cost_pico`` 1e-12 US dollars, None where unknown; ``native_pico`` the same in ``currency``, in
    which the unit ``prices`` are too; ``computed_pico`` our own arithmetic beside a cost that the
    host stated. Where the usage was estimated or is missing the four ``tokens_*`` bounds say
    between what it lies (else they are None), and ``cost_least_pico`` and ``cost_most_pico`` what
    that comes to; of a cost that is known exactly both are the cost, None: no bound is known.
    ``attempt`` counts from 1 within its request, and every attempt has an entry. ``operator`` and
    ``place`` are country codes with commas between, or "unknown".

    ``purpose`` is why the host was asked: ``call``; ``hedge`` (a second attempt beside the first);
    ``continue`` (the rest of a stream that broke off); ``count`` (a number of tokens); ``shadow``
    and ``judge`` (nothing of their answers reaches a client). ``decision`` is how the routes of the
    request were chosen, in the form of ``routing.explain.compact``. ``prompt_most`` and
    ``output_most`` are the size that it was judged by. ``cache_lost_tokens`` stood in the cache of
    ``moved_from``, the route that the conversation left, and ``cache_lost_pico`` is what that cost,
    None where unknown.

    ``user`` is whom the client names in its body, where the key is trusted with that. ``tier`` is
    the tier of service that the host answered in, ``plan`` the subscription that paid for it, ""
    for none. ``tokenizer`` is how tokens were counted that no host reported. ``energy_j`` is what a
    machine at home used, in joules, None where unknown. A correction (purpose ``correction``) names
    in ``corrects`` the attempt that it adds to, has its ``at_us``, and is no attempt.

    ``recorded_us`` is when the entry was written; ``writer`` and ``seq`` are whose it is and its
    number in the writer's day, and ``hash`` chains it to the one before (``billing.chain``).
    """

    attempt_id: str  # our own: request_id + "." + attempt; hosts use their ids twice
    request_id: str
    attempt: int
    at_us: int
    key: str = ""
    team: str = ""
    label: str = ""
    tags: str = ""  # with commas between
    session: str = ""
    wire: str = ""
    stream: bool = False
    lane: str = ""  # relay or translate
    host_wire: str = ""  # the wire that the host was asked on
    lost: str = ""  # what of the request was left out, the client's names with commas between
    notes: str = ""  # what the gateway did to the conversation or the answer, in words
    model_asked: str = ""
    provider: str
    model: str  # the host's own id
    host: str = ""
    endpoint: str = ""
    operator: str = "unknown"
    place: str = "unknown"
    policy_hash: str = ""
    config_hash: str = ""
    outcome: str  # completed, failed, cancelled, cut
    error: str = ""  # an ErrorKind, "" for none
    status: int = 0  # the host's HTTP status, 0 for none
    finish: str = ""
    usage_state: str  # reported, estimated, missing, none
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_long: int = 0
    audio_input: int = 0
    image_input: int = 0
    output: int = 0
    reasoning: int = 0
    audio_output: int = 0
    image_output: int = 0
    searches: int = 0
    reconciled: bool = True
    cost_pico: int | None
    cost_state: str  # priced, stated, unknown, nothing
    currency: str = "USD"
    rate: str = "1"  # US dollars for one unit of the currency
    prices: str = ""  # the unit prices used, JSON; "" for none
    price_source: str = ""
    price_date: str = ""
    first_content_ms: int | None = None
    total_ms: int = 0
    served_model: str = ""  # the model that the answer names
    purpose: str = "call"
    needs: str = ""  # what the request needs of a route (tools, images), with commas between
    prompt_most: int = 0
    output_most: int | None = None
    decision: str = ""
    moved_from: str = ""
    cache_lost_tokens: int = 0
    cache_lost_pico: int | None = 0
    verdict: str = ""  # what a judge made of a shadow's answer: same, better, worse; "" for none
    user: str = ""
    tier: str = ""
    plan: str = ""
    tokenizer: str = ""
    tokens_in_least: int | None = None
    tokens_in_most: int | None = None
    tokens_out_least: int | None = None
    tokens_out_most: int | None = None
    native_pico: int | None = None
    computed_pico: int | None = None
    cost_least_pico: int | None = None
    cost_most_pico: int | None = None
    energy_j: int | None = None
    corrects: str = ""
    recorded_us: int = 0
    writer: str = ""
    seq: int = 0
    hash: str = ""

    @property
    def prompt_tokens(self) -> int:
        """All tokens that went in."""
        return (
            self.input
            + self.cache_read
            + self.cache_write
            + self.cache_write_long
            + self.audio_input
            + self.image_input
        )

    @property
    def completion_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.output + self.reasoning + self.audio_output + self.image_output

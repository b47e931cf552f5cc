"""Counts again what was only estimated: by the server at home that answered, or the vocabulary.

Beside the calls, after the answer. A server is asked only about a prompt that it has had already,
and only while policy still lets that go there. What comes out is appended as a correction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec.structs import replace as copied

from billing.ledger import CORRECTION, Entry
from gateway.at_home import CHAT, CHAT_PROMPT
from gateway.attempt import Attempt
from gateway.house import House
from gateway.used import Bound, Used, kept_of, spoken_in, used
from providers import home_asking
from providers.home_server import Tokenise
from providers.usage import BUCKETS
from providers.vocabularies import Vocabulary

SERVER = "server"
# Special tokens and what a template puts around an answer; a text that is counted for itself may
# begin or end in other tokens.
OF_AN_ANSWER = 8
# All of a text, in a thread.
EVERYTHING = 1 << 62
SUMS = ("cost_pico", "native_pico", "cost_least_pico", "cost_most_pico")
BOUNDS = ("tokens_in_least", "tokens_in_most", "tokens_out_least", "tokens_out_most")


Priced = Callable[[Used], Entry]


def again(house: House, attempt: Attempt, found: Used, priced: Priced) -> None:
    """Have an attempt counted again later, where that can be done better than it was.

    ``priced`` makes an entry of what was counted then.
    """
    server = attempt.route.endpoint.server
    if server is not None and server.tokenise is not None and attempt.lane.wire.neutral:
        house.recounts.later(partial(_by_server, house, attempt, found, server.tokenise, priced))
    elif found.wanted:
        house.recounts.later(partial(_by_vocabulary, house, attempt, priced))


async def _by_vocabulary(house: House, attempt: Attempt, priced: Priced) -> None:
    vocabulary = await house.tokenizers.loaded(attempt.route.tokenizer)
    if vocabulary is None:
        return

    def ready(_: str) -> Vocabulary | None:
        return vocabulary

    better = await asyncio.to_thread(used, attempt, ready, EVERYTHING)
    _correct(house, attempt, priced(better))


async def _by_server(
    house: House, attempt: Attempt, found: Used, at: Tokenise, priced: Priced
) -> None:
    """Have the server count the prompt as it got it, and the words that it gave."""
    address = await house.at_home.address(attempt.route)
    if not address or not _may(house, attempt):
        return
    prompt = await _prompt(house, attempt, at, address)
    answer = await _answer(house, attempt, at, address)
    usage, least, most = found.usage, found.least, found.most
    if least is None or most is None or (prompt is None and answer is None):
        return
    if prompt is not None:
        # Of a prompt in the form of the wire it counts the template too; of its text alone not.
        exact = at.sends == "chat"
        usage = copied(usage, input=prompt, cache_read=0, cache_write=0, cache_write_long=0)
        least = (prompt if exact and least != (0, 0) else least[0], least[1])
        most = (prompt if exact else most[0], most[1])
    if answer is not None:
        usage = copied(usage, output=answer, reasoning=0)
        least = (least[0], max(least[1], answer - OF_AN_ANSWER))
        if attempt.outcome == "completed":
            # All that it wrote is here.
            most = (most[0], _smaller(most[1], answer + OF_AN_ANSWER))
    _correct(house, attempt, priced(Used(usage, SERVER, least, _not_below(most, least))))


def _may(house: House, attempt: Attempt) -> bool:
    """Whether policy lets the request go to the route, as it was and as it is by now."""
    call, route = attempt.call, attempt.route
    if not call.may(route):
        return False
    if house.setup is call.setup:
        return True
    owner = house.setup.providers.get(route.provider)
    if owner is None or owner.endpoint.base_url != route.endpoint.base_url:
        return False
    return copied(call, setup=house.setup).may(house.setup.route(route.name))


async def _prompt(house: House, attempt: Attempt, at: Tokenise, address: str) -> int | None:
    lane = attempt.lane
    if at.sends == "text":
        spoken = spoken_in(attempt)
        if spoken is None:
            return None
        return await _count(house, attempt, at, address, {at.field: spoken.said})
    if lane.wire.name != CHAT:
        return None
    names = [name for name in CHAT_PROMPT if name in lane.body]
    return await _count(house, attempt, at, address, {name: lane.body[name] for name in names})


async def _answer(house: House, attempt: Attempt, at: Tokenise, address: str) -> int | None:
    """Return the tokens of what was delivered; where a template stands around it, less that."""
    kept = kept_of(attempt)
    if kept is None or kept.left < 0:
        return None
    text = kept.thought + kept.said
    if not text:
        return 0
    if at.sends == "text":
        return await _count(house, attempt, at, address, {at.field: text})
    with_it = await _count(house, attempt, at, address, _message(text))
    without = await _count(house, attempt, at, address, _message("."))
    if with_it is None or without is None:
        return None
    return max(0, with_it - without + 1)


def _message(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


async def _count(
    house: House, attempt: Attempt, at: Tokenise, address: str, asked: dict[str, Any]
) -> int | None:
    body = {"model": attempt.route.model, **asked}
    return await home_asking.count(house.client, attempt.endpoint, address, at, body)


def _smaller(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)


def _not_below(most: tuple[int | None, int | None], least: Bound) -> tuple[int | None, int | None]:
    into, out = most
    return (
        None if into is None else max(into, least[0]),
        None if out is None else max(out, least[1]),
    )


def _correct(house: House, attempt: Attempt, now: Entry) -> None:
    before = attempt.entry
    if before is None:
        return
    if attempt.route.usd_per_hour is not None:
        # The time that it took is paid, whatever was said in it.
        now = copied(now, **{name: getattr(before, name) for name in SUMS})
    made = correction(before, now)
    if made is not None:
        house.keep(made)


def correction(before: Entry, now: Entry) -> Entry | None:
    """Return what has to be added to ``before`` to make it ``now``; None where that is nothing.

    Every figure of it is a difference and may be negative: tokens, bounds of tokens, money and
    bounds of money alike. Where ``before`` had no cost the correction has the whole of it. A bound
    that one of the two does not have is None in it, and so stays as it was. It counts as no attempt
    and has no time, energy or cache loss of its own.
    """
    sums = {name: _more(getattr(before, name), getattr(now, name)) for name in SUMS}
    if before.cost_pico is None:
        sums["cost_pico"], sums["native_pico"] = now.cost_pico, now.native_pico
    bounds = {name: _more(getattr(before, name), getattr(now, name)) for name in BOUNDS}
    buckets = {name: getattr(now, name) - getattr(before, name) for name in BUCKETS}
    if not any(buckets.values()) and not any(bounds.values()) and not any(sums.values()):
        return None
    return copied(
        before,
        attempt_id=f"{before.attempt_id}.c",
        purpose=CORRECTION,
        corrects=before.attempt_id,
        tokenizer=now.tokenizer,
        computed_pico=None,
        searches=0,
        total_ms=0,
        first_content_ms=None,
        cache_lost_tokens=0,
        cache_lost_pico=0,
        moved_from="",
        decision="",
        notes=f"counted again: {now.tokenizer} instead of {before.tokenizer}",
        energy_j=None,
        recorded_us=0,
        writer="",
        seq=0,
        hash="",
        **sums,
        **bounds,
        **buckets,
    )


def _more(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else now - before

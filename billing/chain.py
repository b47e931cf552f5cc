"""The chain of entries: each is hashed over the one before it, by writer and day.

A writer is one run of one process, a day is one of UTC by the writer's clock. The first entry of a
writer's day is hashed over the text ``DAY WRITER``, every other one over the hash before it:

    hash = "1:" + hex(sha256(before + "\\n" + hex(sha256(canonical))))

``canonical`` is the entry as JSON without blanks, in UTF-8, with the fields of ``FORMS`` in their
order. The number before the colon names the form. A later version that keeps more adds a form and
leaves those before it alone, so that old hashes stay true. There is no secret in it: who can write
the database can also chain it anew. That is found by heads that were exported before.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType

import msgspec

from billing.ledger import Entry

DAY_US = 86_400_000_000
_FORM_1 = """
    attempt_id request_id attempt at_us key team label tags session wire stream lane host_wire
    lost notes model_asked provider model host endpoint operator place policy_hash config_hash
    outcome error status finish usage_state input cache_read cache_write cache_write_long
    audio_input image_input output reasoning audio_output image_output searches reconciled
    cost_pico cost_state currency rate prices price_source price_date first_content_ms total_ms
    served_model purpose needs prompt_most output_most decision moved_from cache_lost_tokens
    cache_lost_pico verdict user tier plan tokenizer tokens_in_least tokens_in_most
    tokens_out_least tokens_out_most native_pico computed_pico cost_least_pico cost_most_pico
    energy_j corrects recorded_us writer seq
"""
# Form -> the fields that it hashes, in this order. Never edit one: add the next.
FORMS: Mapping[str, tuple[str, ...]] = MappingProxyType({"1": tuple(_FORM_1.split())})
FORM = "1"
# How an entry ends that is in no chain yet: its last four fields. `tests` hold it to the ledger.
_UNCHAINED = b',"recorded_us":0,"writer":"","seq":0,"hash":""}'
_encode = msgspec.json.Encoder().encode


class Head(msgspec.Struct, frozen=True):
    """How far the chain of a writer's day has come. ``day`` is a date of UTC, as text."""

    day: str
    writer: str
    seq: int
    hash: str


class Link(msgspec.Struct, frozen=True, gc=False):
    """An entry's line for the journal, and where it leaves the chain."""

    line: bytes
    writer: str
    day: int
    seq: int
    hash: str


class Chain:
    """One writer's chain. ``link`` gives an entry its place; ``take`` makes it the last one."""

    def __init__(self, writer: str) -> None:
        self.writer = writer
        self._day = -1
        self._seq = 0
        self._before = ""

    def link(self, encoded: bytes, now_us: int) -> Link:
        """Return the line of an entry that is in no chain, given as JSON in the newest form.

        Nothing is changed until ``take``. A clock that goes back over midnight begins another
        writer, since a day that has ended is not gone on with.
        """
        day, writer, before, seq = now_us // DAY_US, self.writer, self._before, self._seq + 1
        if day != self._day:
            if day < self._day:
                writer = new_writer()
            before, seq = start(day_text(day), writer), 1
        body = b'%b,"recorded_us":%d,"writer":"%b","seq":%d' % (
            encoded.removesuffix(_UNCHAINED), now_us, writer.encode(), seq
        )  # fmt: skip
        hashed = hash_of(before, sha256(body + b"}").hexdigest(), FORM)
        return Link(b'%b,"hash":"%b"}\n' % (body, hashed.encode()), writer, day, seq, hashed)

    def take(self, link: Link) -> None:
        """Go on from ``link``, which is written."""
        self.writer, self._day = link.writer, link.day
        self._seq, self._before = link.seq, link.hash


def new_writer() -> str:
    """Return a writer's name that no other has: 8 hexadecimal digits by chance."""
    return secrets.token_hex(4)


def day_text(day: int) -> str:
    """Return the date of the day that is so many days after 1970-01-01."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()


def day_of(recorded_us: int) -> str:
    """Return the date of UTC that an entry's ``recorded_us`` falls into."""
    return day_text(recorded_us // DAY_US)


def start(day: str, writer: str) -> str:
    """Return what the first entry of a writer's day is hashed over."""
    return f"{day} {writer}"


def hash_of(before: str, digest: str, form: str) -> str:
    """Return the hash of an entry with this ``digest`` after ``before``."""
    linked = f"{before}\n{digest}"
    return f"{form}:{sha256(linked.encode()).hexdigest()}"


def form_of(hashed: str) -> str:
    """Return the form that a hash names. Raises ``ValueError`` for one that is not known here."""
    form, colon, _ = hashed.partition(":")
    if not colon or form not in FORMS:
        raise ValueError(f"no form of hash that this version knows: {hashed[:20]!r}")
    return form


def digest_of(row: Mapping[str, str | int | bool | None], form: str) -> str:
    """Return the digest of an entry, given by its fields. Raises ``KeyError`` where one lacks."""
    return sha256(_encode({name: row[name] for name in FORMS[form]})).hexdigest()


def heads_of(entries: Iterable[Entry]) -> list[Head]:
    """Return the last of ``entries`` in each writer's day; those in no chain are left out."""
    last: dict[tuple[int, str], Entry] = {}
    for entry in entries:
        if entry.seq > 0:
            place = entry.recorded_us // DAY_US, entry.writer
            if place not in last or last[place].seq < entry.seq:
                last[place] = entry
    return [
        Head(day_text(day), writer, entry.seq, entry.hash) for (day, writer), entry in last.items()
    ]

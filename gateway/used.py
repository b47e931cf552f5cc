"""What one attempt used: as its host reported it, else estimated, with bounds that are certain.

Three things are told apart. *Reported*: the host's own figures for the whole of it. *Estimated*:
the answer, or a part of it, was seen, and is counted; the bounds go from what was delivered to the
most that the host can have made of the request. *Missing*: it went out, and nothing of it was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

from gateway import prompt_size
from gateway.attempt import Attempt
from gateway.call import Call
from gateway.errors import Refusal
from gateway.words import overhear
from providers import ir, tokens
from providers.assemble import events_of
from providers.errors import ErrorKind, UpstreamError
from providers.tokens import BY_BYTES, NONE, Tokens, by_bytes, counted
from providers.usage import NOTHING, Usage, believed
from providers.vocabularies import Vocabulary
from providers.wires.kept import Kept, size_of

# Faults after which the host may have worked for us, and billed: what it used is not known.
MAY_HAVE_COST = frozenset({ErrorKind.TIMEOUT, ErrorKind.CUT, ErrorKind.MALFORMED})
# What a host's template puts around a prompt: a few tokens a message (OpenAI's cookbook: 3 and a
# name), and words of its own: harmony's are about 70 tokens, those of some open weights that come
# without a system message some 400; with tools those that teach their use (Anthropic documents up
# to some 700).
OF_A_MESSAGE, AROUND, AROUND_UNKNOWN, AROUND_TOOLS = 8, 128, 512, 1024
# What a prompt has beside text, so that its bytes tell nothing of tokens.
NO_TEXT = frozenset({"images", "files", "audio"})
Bound = tuple[int, int]


class Used(Struct, frozen=True):
    """The tokens of an attempt. ``least`` and ``most`` are (in, out).

    None in them is no known bound; both are None as a whole where the host reported the figures,
    or nothing was used. ``tokenizer`` is how it was counted, "" where the host did that.
    ``wanted``: a better count can be had, with a vocabulary that was not at hand or of all of a
    long text.
    """

    usage: Usage
    tokenizer: str = ""
    least: Bound | None = None
    most: tuple[int | None, int | None] | None = None
    wanted: bool = False


@dataclass(slots=True)
class Counting:
    """How texts are counted now; ``cut`` turns True with the first that was not counted whole."""

    vocabulary: Vocabulary | None
    chars: int
    cut: bool = False

    @property
    def name(self) -> str:
        """How that is called in the ledger."""
        return self.vocabulary.name if self.vocabulary is not None else BY_BYTES

    def of(self, text: str) -> Tokens:
        """Return the tokens of ``text``."""
        self.cut = self.cut or len(text) > self.chars
        if self.vocabulary is None:
            return by_bytes(size_of(text))
        return counted(self.vocabulary, text, self.chars)


@dataclass(frozen=True, slots=True)
class Spoken:
    """The parts of a prompt that are text: what is said for certain, and all that may be there."""

    said: str
    beside: str
    messages: int
    tools: bool


def reported(attempt: Attempt) -> Usage:
    """Return what the host has said of an attempt so far, as far as anybody can believe it."""
    reader = attempt.reader
    return believed(reader.usage if reader is not None else attempt.usage)


def used(attempt: Attempt, vocabulary: Callable[[str], Vocabulary | None], chars: int) -> Used:
    """Return what ``attempt`` used, as it is settled.

    ``vocabulary`` gives one by its name, None where it is not at hand; of each text ``chars``
    characters are counted with it.
    """
    reader, usage = attempt.reader, reported(attempt)
    if usage.state == "reported" and _is_final(attempt):
        return Used(usage)
    if not attempt.sent:
        return Used(NOTHING)
    seen = reader.text_bytes if reader is not None else attempt.text_bytes
    left = attempt.outcome == "cancelled" and attempt.call.peek.stream
    told = usage.state in ("reported", "estimated")
    missing = not (seen or left or told)
    if missing and attempt.outcome == "failed" and attempt.error not in MAY_HAVE_COST:
        return Used(NOTHING)
    name = attempt.route.tokenizer
    counting = Counting(vocabulary(name) if name else None, chars)
    found = _estimated(attempt, usage, seen, counting)
    if seen or told:
        return found
    # Nobody has said that the host worked at all.
    found = replace(found, least=(0, 0))
    return replace(found, usage=replace(found.usage, state="missing")) if missing else found


def _is_final(attempt: Attempt) -> bool:
    """Whether a usage is that of the whole answer: some hosts say with each piece how far it is."""
    reader = attempt.reader
    return reader is None or bool(reader.done or reader.finish) or attempt.outcome == "completed"


def _estimated(attempt: Attempt, usage: Usage, seen: int, counting: Counting) -> Used:
    prompt, least_in, most_in = _prompt(attempt, usage, counting)
    answer, thought = _answer(attempt, seen, counting)
    least_out = answer.least + thought.least
    out, reasoning = answer.likely, thought.likely
    told = usage.output + usage.reasoning + usage.audio_output + usage.image_output
    if usage.state == "reported":
        least_out = max(least_out, told)
    if out + reasoning < told:
        # The host has counted more than was seen here.
        reasoning = max(reasoning, usage.reasoning)
        out = max(told - reasoning, 0)
    most = most_out(attempt)
    if most is not None:
        most = max(most, least_out)
        # A long answer of few tokens is guessed too high where it is counted by its bytes.
        reasoning = min(reasoning, most)
        out = min(out, most - reasoning)
    return Used(
        replace(
            prompt,
            output=out,
            reasoning=reasoning,
            audio_output=0,
            image_output=0,
            state="estimated",
            tier=_tier(attempt, usage),
            stated_usd=None,
        ),
        counting.name,
        (least_in, least_out),
        (None if most_in is None else max(most_in, least_in), most),
        wanted=bool(attempt.route.tokenizer) and (counting.cut or counting.vocabulary is None),
    )


def _prompt(attempt: Attempt, usage: Usage, counting: Counting) -> tuple[Usage, int, int | None]:
    """Return the likely usage of the prompt alone, and its bounds."""
    if usage.prompt_tokens:
        # The host has told the prompt's side: that is final, unless it goes on to search.
        open_ended = _is_open(attempt.call)
        return usage, usage.prompt_tokens, None if open_ended else usage.prompt_tokens
    spoken = spoken_in(attempt) if counting.vocabulary is not None else None
    if spoken is None:
        size = attempt.call.peek.text_bytes
        least = 0 if attempt.call.peek.needs & NO_TEXT else tokens.at_least(size)
        likely = tokens.estimate(size + _added_bytes(attempt))
        return Usage(input=likely), least, _most_in(attempt, None)
    said, beside = counting.of(spoken.said), counting.of(spoken.beside)
    likely = said.likely + beside.likely + 3 * spoken.messages + 3
    most = said.most + beside.most + OF_A_MESSAGE * spoken.messages + AROUND
    most += _added_bytes(attempt) + (AROUND_TOOLS if spoken.tools else 0)
    return Usage(input=likely), said.least, _most_in(attempt, most)


def _answer(attempt: Attempt, seen: int, counting: Counting) -> tuple[Tokens, Tokens]:
    """Return the tokens of what was delivered: of the answer, and of what was thought."""
    kept = kept_of(attempt)
    if counting.vocabulary is None or kept is None:
        return by_bytes(seen), NONE
    said, thought = counting.of(kept.said), counting.of(kept.thought)
    # What is shown of thoughts may be their summary, which tells little of their number.
    thought = Tokens(thought.likely, tokens.at_least(len(kept.thought)), thought.most)
    if kept.left < 0:
        size = len(kept.said) + len(kept.thought)
        rest = max(0, seen - size)
        likely = (said.likely + thought.likely) * rest // max(1, size)
        said += Tokens(likely, tokens.at_least(rest), tokens.at_most(rest))
    return said, thought


def keep_whole(attempt: Attempt, raw: bytes) -> None:
    """Keep the words of a whole answer that came without usage, so that they can be counted."""
    lane = attempt.lane
    if not lane.wire.neutral:
        return
    try:
        answer = lane.wire.host.read(raw, lane.dialect, attempt.route.name)
    except UpstreamError:
        return
    attempt.kept = Kept()
    overhear(events_of(answer), attempt.kept)


def kept_of(attempt: Attempt) -> Kept | None:
    """Return the words of the answer that were kept to be counted; None where none were."""
    return attempt.kept if attempt.reader is None else attempt.reader.kept


def most_out(attempt: Attempt) -> int | None:
    """Return the most tokens that the host can have written; None: nothing bounds that."""
    call, route = attempt.call, attempt.route
    limit = call.size.output_tokens
    if limit is not None and not _limit_is_lost(attempt):
        return limit
    longest = route.max_output or route.context
    return longest * call.size.answers if longest else None


def _limit_is_lost(attempt: Attempt) -> bool:
    """Whether the client's limit did not reach the host as it was."""
    lane = attempt.lane
    return any("max" in name for name in (*lane.lost, *lane.changed))


def _most_in(attempt: Attempt, most: int | None) -> int | None:
    """Return the most that a prompt can have been, ``most`` of which is known of its text."""
    call, context = attempt.call, attempt.route.context
    if _is_open(call):
        # Each of the host's own rounds may read a whole window again.
        return None
    if call.peek.needs & NO_TEXT:
        return context
    if most is None:
        extra = AROUND_TOOLS if "tools" in call.peek.needs else 0
        sent = call.peek.text_bytes + _added_bytes(attempt)
        most = tokens.at_most(sent) + AROUND_UNKNOWN + extra
    return most if context is None else min(most, context)


def _added_bytes(attempt: Attempt) -> int:
    """Return by how much the body for the host is longer than the client's.

    Thoughts were put back into it, or the words for an emulated schema, or it goes on with a text.
    """
    lane = attempt.lane
    if lane.relayed and not lane.dialect.replay_reasoning:
        return 0  # it is the client's, but for settings
    sent = len(lane.payload(attempt.route.model))
    return max(0, sent - attempt.call.peek.text_bytes)


def _is_open(call: Call) -> bool:
    """Whether the host's prompt may be longer than what was sent: nothing here bounds it."""
    return call.lanes.has_state or prompt_size.is_open(call.body, call.wire.name)


def _tier(attempt: Attempt, usage: Usage) -> str:
    """Return the tier of service: as the host said, else as the client asked for it."""
    return usage.tier or attempt.call.peek.tier


def spoken_in(attempt: Attempt) -> Spoken | None:
    """Return the text of a prompt; None where it cannot be read."""
    lanes = attempt.call.lanes
    if not lanes.wire.neutral:
        return None
    try:
        request = lanes.neutral()
    except Refusal:
        return None
    beside = [text for message in request.messages for text in _beside(message)]
    beside += [prompt_size.tool_text(tool) for tool in request.tools]
    if request.output is not None and request.output.schema is not None:
        beside.append(prompt_size.json_text(request.output.schema))
    if attempt.resumes is not None:
        beside.append(attempt.resumes.text)
    return Spoken(
        prompt_size.text(request), "\n".join(beside), len(request.messages), bool(request.tools)
    )


def _beside(message: ir.Message) -> list[str]:
    """Return what of a message not every template writes into the prompt."""
    found = []
    for part in message.parts:
        if isinstance(part, ir.ToolCall):
            found.append(f"{part.name} {part.arguments}")
        elif isinstance(part, ir.Reasoning | ir.Refused | ir.File):
            found.append(part.text)
    return found

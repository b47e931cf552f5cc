"""What an answer says, as a recording and a client alike are read: words, calls, ends, extras."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

# What an answer may hold beside words and calls, in the words of docs/accuracy.md.
THOUGHTS, SOURCES, LOGPROBS = "thoughts", "sources", "log probabilities"
OWN_WORK, CHOICES, MEDIA = "work of the host's own tools", "further choices", "media"


@dataclass
class Alternative:
    """One choice: the words, the calls as (name, arguments as written), and why it ended.

    ``finish`` is stop, tool, length, filter or pause, or "" where nothing says.
    """

    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    finish: str = ""
    refusal: str = ""
    thought: str = ""


@dataclass
class Truth:
    """What a recording says. ``usage`` is (tokens in, tokens out), None where it says nothing.

    ``fault`` is why this is no good answer, "" where it is one; ``words`` the host's own of it.
    ``shows`` is what it holds beside words and calls, ``cached`` how many of the tokens in it calls
    cached, where that is read.
    """

    choices: list[Alternative] = field(default_factory=list)
    usage: tuple[int, int] | None = None
    cached: int = 0
    fault: str = ""
    words: str = ""
    shows: set[str] = field(default_factory=set)


def is_json(text: str) -> bool:
    """Whether ``text`` is JSON."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True

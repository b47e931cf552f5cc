"""Log probabilities: this wire's two lists, and the chat wire's one, which the neutral form has."""

from __future__ import annotations

from typing import Any

from providers.wires.wire import Json


def logprobs_of(said: Any) -> list[Any] | None:
    """Return ``logprobsResult`` as a list of tokens; None where it says nothing."""
    if not isinstance(said, dict) or not isinstance(said.get("chosenCandidates"), list):
        return None
    tops = said.get("topCandidates")
    tops = tops if isinstance(tops, list) else []
    out = []
    for place, chosen in enumerate(said["chosenCandidates"]):
        token = _token(chosen)
        if token is None:
            continue
        top = tops[place] if place < len(tops) else None
        others = top.get("candidates") if isinstance(top, dict) else None
        found = [_token(item) for item in others] if isinstance(others, list) else []
        out.append({**token, "top_logprobs": [item for item in found if item is not None]})
    return out or None


def logprobs_body(tokens: list[Any] | None) -> Json | None:
    """Return the chat wire's list of tokens as ``logprobsResult``; None where there is none."""
    if not tokens:
        return None
    chosen, tops = [], []
    for token in tokens:
        if not isinstance(token, dict):
            continue
        chosen.append(_candidate(token))
        others = token.get("top_logprobs")
        found = others if isinstance(others, list) else []
        tops.append({"candidates": [_candidate(item) for item in found if isinstance(item, dict)]})
    out: Json = {"chosenCandidates": chosen}
    if any(top["candidates"] for top in tops):
        out["topCandidates"] = tops
    return out


def _token(said: Any) -> Json | None:
    if not isinstance(said, dict) or not isinstance(said.get("token"), str):
        return None
    value = said.get("logProbability", 0.0)
    word = said["token"]
    return {
        "token": word,
        "logprob": value if isinstance(value, int | float) else 0.0,
        "bytes": list(word.encode(errors="replace")),
    }


def _candidate(token: Json) -> Json:
    return {"token": token.get("token", ""), "logProbability": token.get("logprob", 0.0)}

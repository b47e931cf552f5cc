"""The recordings that do not pass, each with the reason, and the wires that are not spoken at all.

Every line is checked: one that excuses nothing any more fails the run over the whole corpus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.replay.corpus import RELAYED, Case

# Kinds of recording whose wire is none of the gateway's.
NOT_SPOKEN: Mapping[str, str] = {
    "models": "a list of models: the gateway answers with its own",
    "count_tokens": "a count of tokens and no answer: asked on its own wire, in `test_replayed`",
    "ollama_chat": "Ollama's native API; the gateway asks it on the OpenAI wires",
    "ollama_generate": "Ollama's native API; the gateway asks it on the OpenAI wires",
    "bedrock_invoke": "InvokeModel: each maker's own wire; the gateway asks Bedrock on Converse",
    "cloudflare_run": "Workers AI's native API; the gateway asks it on the chat wire",
    "gemini_interactions": "the Interactions API in preview; the gateway speaks generateContent",
}


@dataclass(frozen=True)
class Excuse:
    """``cases`` is a pattern of ids, ``problem`` words of what is wrong with them.

    ``clients`` and ``manners`` narrow it; empty is all. ``refused``: the host itself said no.
    """

    cases: str
    problem: str
    reason: str
    clients: tuple[str, ...] = ()
    manners: tuple[str, ...] = ()
    refused: bool = False


NOT_ASKED = "the host was not asked"
TWO_ANSWERS = "two answers in one body"
FORCED = "cannot be made to call a tool"
SCHEMA = "keeps no JSON schema"
LACKS = "its host takes no"
EXCUSES: tuple[Excuse, ...] = (
    Excuse(
        "*/alibaba/*", FORCED,
        "the catalogue: this model refuses a forced tool while it thinks; another route is asked",
        manners=("own",),
    ),
    Excuse(
        "*/deepseek/*", FORCED,
        "the catalogue: this host refuses a forced tool while it thinks; another route is asked",
        manners=("own",),
    ),
    Excuse(
        "*", LACKS,
        "recorded to see it refused: the catalogue knows that the model cannot do that there",
        manners=("own",), refused=True,
    ),
    Excuse(
        "*/ollama/*", FORCED,
        "the catalogue: this server ignores a forced tool; another route is asked",
        manners=("own",),
    ),
    Excuse(
        "*/groq/*", SCHEMA,
        "the catalogue: no schema is kept in streams or beside tools, so that it is not counted on",
        manners=("own",),
    ),
    Excuse(
        "*", "this gateway keeps no answers",
        "`previous_response_id` needs the store of answers, which is off unless configured",
        manners=("own",),
    ),
    Excuse(
        "*", "`conversation` is not kept here",
        "conversations kept by a host bind a user to it; the items themselves are taken",
        manners=("own",),
    ),
    Excuse(
        "rig/llamacpp/llamacpp-error_matrix-malformed_request_field.*", NOT_ASKED,
        "recorded to see it refused: the gateway refuses it itself, with a 400 that names the field",
        manners=("own",),
    ),
    Excuse(
        "envoy/openai/testopenai-chat-no-messages.*", NOT_ASKED,
        "recorded to see it refused: the gateway refuses it itself, with a 400 that names the field",
        manners=("own",),
    ),
    Excuse(
        "envoy/openai/testopenai-*-bad-request.*",
        NOT_ASKED,
        "recorded to see it refused: the gateway refuses it itself, with a 400 that names the field",
        manners=("own",),
    ),
    Excuse(
        "vercel-ai/anthropic/src-anthropic-tool-search-*",
        TWO_ANSWERS,
        "a fixture with two answers in one body: the first end mark ends the answer",
    ),
    Excuse(
        "vercel-ai/azure/src-azure-reasoning-encrypted-content.1.chunks.*",
        TWO_ANSWERS,
        "a fixture with two answers in one body: the first end mark ends the answer",
    ),
    Excuse(
        "vercel-ai/openai/responses-openai-shell-container.1.chunks.*", "text differs",
        "a fixture shortened by hand: its deltas and its whole items are different texts",
    ),
    Excuse(
        "req_llm/gemini/google-gemini_2_0_flash_exp_image_generation-image_basic.*", "a fault was",
        "a fixture written by hand, without a finish: told to clients as an answer that was stopped",
    ),
    Excuse(
        "req_llm/openrouter/openrouter-meta_llama_llama_3_3_70b_instruct_free-multi_tool.*",
        "a fault was passed on",
        "the host wrote `{}` before the real arguments; in translation that stutter is taken out",
    ),
    Excuse(
        "req_llm/xai/xai-grok_4_fast_reasoning-x_search_streaming.*", "",
        "the host lists its own search among the client's custom tool calls",
        clients=("chat", "messages"),
    ),
    Excuse(
        "ruby_llm/ollama/*oss_120b_can_use_tools_without_parameters_in_multi-turn_streaming*",
        "not byte for byte",
        "the repair of this host's streams sends the arguments `{}` with the finish: marked repaired",
    ),
)  # fmt: skip


def why_not_spoken(case: Case) -> str:
    """Return why a recording is of no wire that the gateway speaks, "" where it is of one."""
    if case.kind == "cohere_chat" and case.endpoint == "/v1/chat":
        return "Cohere's API before v2"
    if case.kind in RELAYED and isinstance(case.request, dict) and "model" not in case.request:
        return "an endpoint of a host's own form, which the gateway does not relay"
    if case.kind == "embeddings" and "input" not in (case.request or {}):
        return "an endpoint of a host's own form, which the gateway does not relay"
    return NOT_SPOKEN.get(case.kind, "")


def excuse(case: Case, client: str, manner: str, problem: str) -> Excuse | None:
    """Return why this recording may fail in this way; None where it may not."""
    for one in EXCUSES:
        fits = fnmatchcase(case.id, one.cases) and one.problem in problem
        fits = fits and (not one.clients or client in one.clients)
        fits = fits and (not one.refused or case.status >= 400)
        if fits and (not one.manners or manner in one.manners):
            return one
    return None

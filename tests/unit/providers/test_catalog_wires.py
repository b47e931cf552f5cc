"""Wires, dialects and places: what the built-in hosts say of them, and how a file says it."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import pytest

from providers import catalog
from providers.catalog import Catalog
from providers.catalog_dialect_form import DialectForm
from providers.dialect import Dialect
from providers.host import WirePath
from tests.unit.providers.test_catalog import NEW_HOST, altered, line_of, problems


@pytest.fixture(scope="module")
def known() -> Catalog:
    return catalog.builtin()


def dialect(known: Catalog, host: str, model: str, wire: str) -> Dialect:
    found = known.hosts[host]
    return found.dialect_of(found.model(model), wire)


@pytest.mark.parametrize(
    ("model", "thinking", "off", "forced", "sampling", "prefill"),
    [
        ("claude-opus-5-5", "adaptive", False, False, False, False),
        ("claude-sonnet-5-5-20261001", "adaptive", False, False, False, False),
        ("claude-haiku-5-5", "adaptive", True, True, False, False),
        ("claude-opus-5", "adaptive", True, True, False, False),
        ("claude-opus-4-8", "adaptive", True, True, False, True),
        ("claude-opus-4-6", "adaptive", True, True, True, True),
        ("claude-haiku-4-5", "budget", True, True, True, True),
        ("claude-sonnet-4-20250514", "budget", True, True, True, True),
        ("claude-3-7-sonnet-latest", "budget", True, True, True, True),
        ("claude-3-5-sonnet-20241022", "", True, True, True, True),
    ],
)
def test_each_generation_of_claude_is_told_to_think_in_its_own_way(
    known: Catalog,
    model: str,
    thinking: str,
    off: bool,
    forced: bool,
    sampling: bool,
    prefill: bool,
) -> None:
    found = dialect(known, "anthropic", model, "messages")
    assert (found.thinking, found.thinking_off, found.forced_tools) == (thinking, off, forced)
    assert ("top_k" not in found.refuses) is sampling
    assert (found.allows.get(("temperature",)) is None) is sampling, "one, the usual, is taken"
    assert found.prefill is prefill


def test_a_family_speaks_the_same_at_every_host(known: Catalog) -> None:
    for model in ("global.anthropic.claude-opus-5-5", "anthropic.claude-sonnet-5-5-v1:0"):
        found = dialect(known, "amazon-bedrock", model, "converse")
        assert (found.thinking, found.forced_tools) == ("adaptive", False)
        assert not found.image_urls, "what the host says of all its models holds as well"
    for host in ("google-ai-studio", "google-vertex"):
        assert dialect(known, host, "gemini-4-argon", "gemini").thinking == "level"
        assert dialect(known, host, "gemini-2.5-flash", "gemini").thinking == "budget"
    assert dialect(known, "google-ai-studio", "gemini-4-argon", "gemini").call_ids
    assert not dialect(known, "google-vertex", "gemini-4-argon", "gemini").call_ids


def test_newer_models_are_asked_on_another_wire_when_there_are_tools(known: Catalog) -> None:
    openai = known.hosts["openai"]
    for name in ("gpt-6.1-sol", "gpt-5.6-luna", "gpt-5.4-mini", "gpt-6.2-next"):
        assert openai.model(name).tools_wire == {"chat": "responses"}, name
    assert not openai.model("gpt-5").tools_wire
    assert list(openai.endpoints["eu"].wires)[:2] == ["responses", "chat"], "the preferred first"
    assert dialect(known, "openai", "gpt-5.4", "chat").rename["max_tokens"]


def test_a_charge_in_ticks_and_reasoning_beside(known: Catalog) -> None:
    chat, responses = (dialect(known, "xai", "grok-4.7", wire) for wire in ("chat", "responses"))
    assert (chat.reasoning, responses.reasoning) == ("beside", "inside")
    for found in (chat, responses):
        assert found.cost_path == ("cost_in_usd_ticks",)
        assert Decimal(found.cost_unit) == Decimal("1e-10")


@pytest.mark.parametrize(
    ("model", "endpoint", "place"),
    [
        ("anthropic.claude-opus-5-5", "eu-central-1", {"DE"}),
        ("eu.anthropic.claude-opus-5-5", "eu-central-1", {"EEA"}),
        ("EU.anthropic.claude-opus-5-5", "eu-central-1", {"EEA"}),
        ("eu.meta.llama-next", "eu-west-1", {"EEA"}),
        ("global.anthropic.claude-opus-5-5", "eu-central-1", None),
        ("global.amazon.nova-9", "eu-central-1", None),
        ("apac.amazon.nova-2-lite-v1:0", "eu-central-1", None),
        ("us.anthropic.claude-haiku-5-5-v1:0", "us-east-1", {"US"}),
        ("us-gov.anthropic.claude-opus-5-5", "us-east-1", None),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x", "eu-west-1", None),
        ("anthropic.claude-opus-5-5", "region", None),
    ],
)
def test_a_prefix_of_the_model_decides_where_it_runs(
    known: Catalog, model: str, endpoint: str, place: set[str] | None
) -> None:
    host = known.hosts["amazon-bedrock"]
    found = host.endpoints[endpoint].place_of(host.model(model))
    assert found.processed_in == place
    assert found.operator == {"US"}, "the prefix moves the machines, not the law"


def test_what_keeps_prompts_has_no_zero_retention(known: Catalog) -> None:
    host = known.hosts["anthropic"]
    at = host.endpoints["default"]
    assert at.place_of(host.model("claude-opus-5-5")).zdr == "on_approval"
    assert at.place_of(host.model("claude-fable-5-2")).zdr == "no"
    assert host.model("claude-fable-5-2").evidence["zdr"].startswith("no · https://")


def test_paths_with_the_model_and_another_for_streams(known: Catalog) -> None:
    gemini = known.hosts["google-ai-studio"].endpoints["default"].wires["gemini"]
    assert gemini.path == "/models/{model}:generateContent"
    assert gemini.stream_path.endswith(":streamGenerateContent?alt=sse")
    shim = known.hosts["google-ai-studio"].endpoints["default"].wires["chat"]
    assert shim.auth == ("bearer", "Authorization")
    assert shim.stream_path == shim.path
    messages = known.hosts["anthropic"].endpoints["default"].wires["messages"]
    assert messages.headers == {"anthropic-version": "2023-06-01"}
    assert messages.forward == {"anthropic-version", "anthropic-beta"}
    assert messages.count_path == "/v1/messages/count_tokens"


def test_blanks_of_an_address_are_filled_by_the_user(known: Catalog) -> None:
    ends = known.hosts["google-vertex"].endpoints
    assert ends["eu"].blanks == ("project",)
    assert ends["region"].blanks == ("region", "project")
    assert ends["global"].region == "global"
    eu = "https://aiplatform.eu.rep.googleapis.com/v1/projects/my-own-1/locations/eu"
    assert ends["eu"].fits(eu)
    assert ends["eu"].fits(eu + "/")
    assert not ends["eu"].fits(eu.replace("/eu", "/us")), "another place"
    assert not ends["eu"].fits(eu.replace("my-own-1", "a/locations/us/b"))
    assert not ends["eu"].fits(eu.replace("googleapis.com", "googleapis.com.example"))
    at = "https://{0}-aiplatform.googleapis.com/v1/projects/p/locations/{1}"
    assert ends["region"].fits(at.format("europe-west4", "europe-west4"))
    assert not ends["region"].fits(at.format("europe-west4", "us-east5")), "one region, not two"
    assert not ends["region"].fits(at.format("evil.example/x", "evil.example/x"))
    assert not known.hosts["vllm"].endpoints["default"].fits("http://127.0.0.1:8000/v1")


MADE_READY = {"variants", "conditions", "watched", "touched", "fills", "quiet"}


def test_every_deviation_of_a_dialect_can_be_written_in_a_file() -> None:
    ours = {field.name for field in fields(Dialect)}
    assert set(DialectForm.model_fields) - {"source", "note"} == ours - MADE_READY


# A host that somebody adds


WIRES = """\
    wires:
      messages:
        path: /anthropic/v1/messages
        headers: {anthropic-version: '2023-06-01'}
        forward: [anthropic-beta]
      chat: /chat/completions
      gemini: {path: '/m/{model}:go', stream_path: '/m/{model}:flow', base_url: 'https://b.example/x'}
"""
SPEECH = """\
    dialect:
      source: [site]
      rename: {seed: random_seed}
      refuses: [store]
      cached_read_paths: [cached_tokens]
      cost_path: billing.usd
    dialects:
      messages: {source: [site], thinking: budget, refuses: [top_k], error_kinds: {'17': quota}}
"""
MODEL = """\
      small:
        wires: {is: [chat, messages], source: [site]}
        tools_wire: {is: {chat: messages}, source: [site]}
        cannot: {is: [json_schema], source: [site]}
        processed_in: {is: unknown, source: [site], note: wanders}
        dialects:
          messages: {source: [site], thinking: adaptive, forced_tools: false}
"""


def spoken(folder: Path, *edits: tuple[str, str]) -> Path:
    """Write the new host with several wires, and models that speak them differently."""
    speech = NEW_HOST[NEW_HOST.index("    dialect:") : NEW_HOST.index("    models:")]
    wires = next(line for line in NEW_HOST.splitlines(True) if "wires:" in line)
    longer = [(dedent(wires), dedent(WIRES)), (dedent(speech), dedent(SPEECH))]
    model = ("  small:\n", MODEL.replace("    ", "", 1).replace("\n    ", "\n"))
    return altered(folder, *longer, model, *edits)


def test_wires_are_a_path_or_say_more(tmp_path: Path) -> None:
    host = catalog.load(spoken(tmp_path)).hosts["newcomer"]
    wires = host.endpoints["north"].wires
    assert list(wires) == ["messages", "chat", "gemini"], "in the order of the file"
    assert wires["chat"] == WirePath("/chat/completions", "/chat/completions")
    assert wires["messages"].headers == {"anthropic-version": "2023-06-01"}
    assert wires["messages"].forward == {"anthropic-beta"}
    assert wires["gemini"] == WirePath(
        "/m/{model}:go", "/m/{model}:flow", base_url="https://b.example/x"
    )
    model = host.model("small")
    assert model.wires == ("chat", "messages")
    assert model.tools_wire == {"chat": "messages"}
    assert model.cannot == {"json_schema"}
    assert host.model("other").wires is None


def test_a_dialect_is_that_of_the_host_then_of_the_model_there(tmp_path: Path) -> None:
    host = catalog.load(spoken(tmp_path)).hosts["newcomer"]
    unknown, small = host.model("other"), host.model("small")
    assert host.dialect == host.dialect_of(unknown, "chat") == host.dialect_of(small, "chat")
    assert host.dialect.refuses == {"store"}
    there = host.dialect_of(unknown, "messages")
    assert (there.thinking, there.forced_tools) == ("budget", True)
    assert there.refuses == {"store", "top_k"}, "refusals add up"
    assert there.error_kinds == {"17": "quota"}
    own = host.dialect_of(small, "messages")
    assert (own.thinking, own.forced_tools) == ("adaptive", False)
    assert own.refuses == {"store", "top_k"}
    assert own.rename == {"seed": "random_seed"}
    assert host.dialect_of(small, "cohere") == Dialect(), "a wire that it does not speak"


def test_a_family_is_below_the_host(tmp_path: Path) -> None:
    folder = tmp_path / "families"
    folder.mkdir()
    (folder / "f.yaml").write_text(
        "sources: {s: {url: u, date: '2026'}}\n"
        "families:\n"
        "  made-up:\n"
        "    cannot: {is: [audio], source: [s]}\n"
        "    dialect: {source: [s], efforts: {low: a, high: b}, thinking: none}\n"
        "    dialects: {chat: {source: [s], think_tags: true}}\n"
    )
    line = "  one: {family: made-up, context: {is: unknown}, max_output: {is: unknown}"
    line += ", maker: {is: unknown}, weights: {is: unknown}, licence: {is: unknown}"
    line += ", dialect: {source: [site], efforts: {low: c}}}\n"
    host = catalog.load(spoken(tmp_path, ("  small:\n", line + "  small:\n"))).hosts["newcomer"]
    model = host.model("one")
    assert model.cannot == {"audio"}
    chat, messages = host.dialect_of(model, "chat"), host.dialect_of(model, "messages")
    assert (chat.efforts, chat.think_tags) == ({"low": "c", "high": "b"}, True)
    assert not messages.think_tags
    assert messages.thinking == "budget", "the host knows better"


def test_a_model_may_run_elsewhere_than_its_endpoint(tmp_path: Path) -> None:
    host = catalog.load(spoken(tmp_path)).hosts["newcomer"]
    north = host.endpoints["north"]
    assert north.place_of(host.model("other")).processed_in == {"NO"}
    place = north.place_of(host.model("small"))
    assert place.processed_in is None, "unknown stands above what the endpoint knows"
    assert place.operator == {"NO", "SE"}
    assert place.trains_on_data == "never"
    assert host.model("small").evidence["processed_in"].endswith("wanders")


def test_an_endpoints_own_wires_stand_in_the_place_of_the_hosts(tmp_path: Path) -> None:
    own = "  south:\n    wires: {chat: /v2/chat, rerank: /rank}\n"
    host = catalog.load(spoken(tmp_path, ("  south:\n", own))).hosts["newcomer"]
    assert list(host.endpoints["south"].wires) == ["chat", "rerank"]
    assert "messages" in host.endpoints["north"].wires
    assert host.dialect_of(host.model("small"), "rerank").refuses == {"store"}


def test_credentials_that_are_made_anew(tmp_path: Path) -> None:
    for kind in ("aws", "google"):
        own = altered(tmp_path, ("{kind: header, header: x-api-key", f"{{kind: {kind}"))
        assert catalog.load(own).hosts["newcomer"].auth_kind == kind


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ("cannot: {is: [json_schema]", "cannot: {is: [json_shema]", "cannot", "did you mean `json_schema`"),
        ("wires: {is: [chat, messages]", "wires: {is: [chat, cohere]", "wires: {is", "does not speak the wire `cohere`"),
        ("tools_wire: {is: {chat: messages}", "tools_wire: {is: {chat: responses}", "tools_wire", "does not speak"),
        ("      messages: {source: [site], thinking: adaptive", "      rerank: {source: [site], thinking: adaptive", "rerank", "does not speak the wire `rerank`"),
        ("thinking: budget", "thinking: bugdet", "bugdet", "did you mean `budget`?"),
        ("{'17': quota}", "{'17': quotum}", "quotum", "no kind of error"),
        ("thinking: budget", "tool_ids: '[a'", "tool_ids", "not a regular expression"),
        ("thinking: budget", "thinkin: budget", "thinkin:", "did you mean `thinking`?"),
        ("{source: [site], thinking: budget", "{thinking: budget", "bud", "`source` is missing"),
        ("{source: [site], thinking: budget", "{source: [sight], thinking: budget", "sight", "did you mean `site`?"),
        ("'/m/{model}:go'", "'/m/{modell}:go'", "go'", "another blank than {model}"),
        ("forward: [anthropic-beta]", "forward: [Anthropic Beta]", "forward", "in lower case"),
        ("path: /anthropic", "path: anthropic", "path: anth", "must"),
        ("https://b.example/x", "https://{b.example/x", "b.example", "a blank that is none"),
    ],
)  # fmt: skip
def test_a_mistake_about_wires_is_named_with_its_line_and_its_cure(
    tmp_path: Path, old: str, new: str, at: str, words: str
) -> None:
    spoken(tmp_path, (old, new))
    found = problems(tmp_path)
    hit = [problem for problem in found if words in problem]
    assert hit, found
    assert hit[0].startswith(line_of(tmp_path, at))

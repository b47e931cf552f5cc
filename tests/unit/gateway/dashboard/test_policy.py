"""The page of the policy: what it shows is what requests get, and what the proof found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from gateway import choosing, explaining, proving
from gateway.dashboard import policy_proof
from gateway.dashboard.words import LANGUAGES, words
from gateway.explaining import PROMPT_TOKENS
from gateway.setup import Setup
from routing.route import Size
from tests.fakes import seeded
from tests.fakes.house import CONFIG, POLICY, FakeHouse, a_key, house
from tests.fakes.page import HOSTILE, Page, get, page
from tests.unit.gateway.commands import told
from tests.unit.routing.sick_routes import fail

BROKEN = {
    "labels": ["public", "internal", "个人"],
    "tags": {"patients": "个人"},
    "groups": {"nordic": ["DK", "FI", "NO"]},
    "rules": [
        {
            "name": "for a team",
            "when": {"team": "platform", "label_at_least": "internal"},
            "require": {"operator": ["EEA", "nordic", "home"], "retention_days": {"at_most": 0}},
        },
        {"name": "never", "when": {"tag": "batch"}, "forbid": {"model": "*chat"}},
    ],
    "expect": [
        {"given": {"label": "internal", "team": "platform"}, "never": {"operator": ["CN"]}},
        {"given": {"label": "public"}, "never": {"operator": ["CN"]}},
        {"given": {"label": "public", "model": "assistant"}, "first": "mistral/mistral-small-2603"},
        {"given": {"key": "misspelt", "model": "nothing"}, "denied": True},
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the config of ``made`` is."""
    return tmp_path_factory.mktemp("policy")


@pytest.fixture(scope="module")
def made(folder: Path) -> Iterator[FakeHouse]:
    """A gateway with keys in several teams, and a policy of which every promise holds.

    One for all tests, which only read: a proof takes half a second.
    """
    with house(folder, seeded.config()) as found:
        yield found


Cells = dict[tuple[str, str], tuple[list[str], list[str]]]


def cells(html: str) -> Cells:
    """Return the routes of each cell of the matrix that may answer, and those left out."""
    found = {}
    body = html[html.index('class="stack matrix"') : html.index('id="explain"')]
    for row in re.findall(r'<tr role="row" data-model="(.*?)</tr>', body, re.DOTALL):
        model = unescape(row[: row.index('"')])
        for cell in re.findall(r'data-label="(.*?)</td>', row, re.DOTALL):
            label = unescape(cell[: cell.index('"')])
            if "data-of" in cell or "none may answer" in cell:
                found[model, label] = (
                    re.findall(r'data-of="route"><bdi>(.*?)</bdi>', cell),
                    re.findall(r'data-of="left-out"><s><bdi>(.*?)</bdi>', cell),
                )
    return found


def planned(setup: Setup, key: str | None, team: str | None = None) -> Cells:
    """Return the same by the functions that requests go through, a label that is raised left out."""
    who = explaining.asker(setup, key, team)
    found = {}
    for model in setup.config.models:
        if not setup.may_ask(who, model):
            continue
        for label in setup.policy.labels:
            request, _ = explaining.asked(setup, who, model, label)
            if request.label != label:
                continue
            plan = choosing.consider(setup, request, Size(PROMPT_TOKENS), None)
            routes = [route.name for route in plan.routes]
            found[model, label] = (routes, [one.route.name for one in plan.dropped])
    return found


@pytest.mark.parametrize(
    ("query", "key", "team"),
    [
        ("", None, None),
        ("?team=platform", None, "platform"),
        ("?key=ci", "ci", None),
        ("?key=helpdesk", "helpdesk", None),
        ("?key=alice&team=platform", "alice", "platform"),
    ],
)
async def test_the_matrix_is_what_requests_get(
    made: FakeHouse, query: str, key: str | None, team: str | None
) -> None:
    shown = cells((await get(made, f"/policy{query}")).text)
    assert shown == planned(made.setup, key, team)
    if key is None:
        assert len(shown) == len(made.setup.config.models) * len(made.setup.policy.labels)


async def test_a_key_sees_its_models_and_labels_alone(made: FakeHouse) -> None:
    shown = await page(made, "/policy?key=ci")
    assert "this key may not ask for it" in shown.text
    assert "counts as internal: a key's label is never lowered" in shown.text
    assert "For key ci, in team platform." in shown.text
    assert "For a key in no team." in (await page(made, "/policy")).text


def explained(html: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the routes of a decision in order, and those left out with what kept them out."""
    admitted = re.findall(r'data-of="admitted"><b><bdi>(.*?)</bdi>', html)
    out = re.findall(
        r'data-of="out"><b><bdi>(.*?)</bdi></b> <span>(?:forbidden by <b>(.*?)</b>|.*?)</span>',
        html,
    )
    return admitted, [(unescape(route), unescape(rule)) for route, rule in out]


@pytest.mark.parametrize(
    ("options", "query"),
    [
        (("assistant",), {}),
        (("assistant", "--label", "personal"), {"label": "personal"}),
        (("coder", "--key", "ci", "--tools"), {"key": "ci", "tools": "yes"}),
        (
            ("coder", "--team", "platform", "--tag", "batch", "--tag", "x", "--wire", "messages"),
            {"team": "platform", "tags": "batch, x", "wire": "messages"},
        ),
        (
            ("careful", "--key", "helpdesk", "--max-tokens", "200", "--label", "secret"),
            {"key": "helpdesk", "longest": "200", "label": "secret"},
        ),
        (
            ("assistant", "--prefer", "cheapest", "--max-tokens", "5"),
            {"prefer": "cheapest", "longest": "5"},
        ),
        (("mistral/some-model-nobody-knows",), {}),
    ],
)
async def test_a_request_is_explained_as_the_command_does(
    made: FakeHouse, folder: Path, options: tuple[str, ...], query: dict[str, str]
) -> None:
    by_command = told("explain", *options, "--config", folder / "config.yaml")
    given = urlencode({"model": options[0], **query})
    answer = await get(made, f"/policy?{given}")
    assert answer.status_code == 200
    admitted, out = explained(answer.text)
    assert admitted == [one["route"] for one in by_command["routes"] if one["admitted"]]
    assert out == [
        (one["route"], one["rule"]) for one in by_command["routes"] if not one["admitted"]
    ]
    shown = Page(answer.text)
    for one in by_command["routes"]:
        if one["admitted"]:
            lane = {"relay": "relayed as it comes", "translate": "translated: "}.get(
                one["lane"], "its host cannot be asked"
            )
            assert lane in shown.text
            for kept in one["keeps"]:
                assert kept["rule"] in shown.text
                assert kept["source"][:100] in shown.text
        else:
            assert one["source"][:100] in shown.text
    applying = shown.said("explain") and ", ".join(by_command["rules"])
    assert all(name in shown.text for name in applying.split(", "))
    if not admitted:
        assert "No route may answer." in shown.text


async def test_a_decision_says_why_in_words(made: FakeHouse) -> None:
    shown = await page(made, "/policy?model=assistant&label=personal&tags=batch&key=bob")
    text = " ".join(shown.text.split())
    assert "label personal · key bob · team research · tags batch" in text
    assert "cheapest first, as a rule wants it" in text
    assert "0 USD expected for 1,000 tokens in, 500 out; relayed as it comes" in text
    assert "forbidden by personal data goes to nobody under Chinese law" in text
    assert "Law of operator and parent: China" in text
    assert "Law of operator and parent: France" in text
    assert "Most that the request can cost: at most $2.00" in text
    raised = await page(made, "/policy?model=coder&label=public&key=ci")
    assert "raised by its key or its tags" in raised.text
    assert "label internal" in raised.text


async def test_who_is_refused_gets_a_code(made: FakeHouse) -> None:
    shown = await page(made, "/policy?model=coder&label=secret")
    assert "The client gets 403 policy_denied." in shown.text


async def test_what_is_down_now_is_left_out_of_a_decision_and_not_of_the_matrix(
    tmp_path: Path,
) -> None:
    with house(tmp_path, seeded.config()) as found:
        fail(found.health, found.setup.route("desk/qwen3-8b"), 20)
        answer = await get(found, "/policy?model=assistant")
        admitted, out = explained(answer.text)
        assert admitted == ["mistral/mistral-small-2603"]
        assert ("desk/qwen3-8b", "") in out
        assert "in trouble just now" in answer.text
        assert cells(answer.text) == planned(found.setup, None)


@pytest.mark.parametrize(
    ("query", "words_", "details"),
    [
        ("model=asistant", "This key can ask for no such model here.", "did you mean 'assistant'"),
        ("model=careful&key=ci", "This key can ask for no such model here.", "may not use model"),
        ("model=assistant&label=persnal", "The policy has no such label.", "'personal'"),
        ("model=assistant&key=nobody", "There is no such key.", "nobody"),
        ("key=nobody", "There is no such key.", "nobody"),
        ("model=assistant&wire=chatt", "Clients cannot speak such a format here.", "'chat'"),
        ("model=assistant&prefer=dearest", "There is no such order.", "cheapest"),
        ("model=assistant&tools=perhaps", "Must be yes or no.", ""),
        ("model=assistant&prompt=0", "Must be a whole number from 1 to 100,000,000.", ""),
        ("model=assistant&prompt=many", "Must be a whole number", ""),
        (f"model=assistant&longest={'9' * 5_000}", "Must be a whole number", ""),
        (f"model=assistant&tags={'x' * 65}", "These are too many tags, or too long ones.", "64"),
    ],
)
async def test_what_is_wrong_with_a_field_stands_beside_it(
    made: FakeHouse, query: str, words_: str, details: str
) -> None:
    answer = await get(made, f"/policy?{query}")
    assert answer.status_code == 400
    shown = Page(answer.text)
    assert words_ in shown.text
    assert details in shown.text
    assert ("aria-invalid", "true") in shown.attributes
    assert explained(answer.text) == ([], [])
    # The rest of the page is there.
    assert "All 3 expectations hold." in shown.text
    assert len(cells(answer.text)) > 4


async def test_all_that_is_wrong_is_said_at_once(made: FakeHouse) -> None:
    answer = await get(made, "/policy?model=asistant&label=persnal&prompt=x&wire=chatt")
    assert answer.status_code == 400
    assert answer.text.count('class="wrong"') == 4


@pytest.mark.parametrize("query", ["nonsense=1", "model=a&model=b", "where=team=x"])
async def test_a_parameter_that_is_none_is_a_page_that_says_so(made: FakeHouse, query: str) -> None:
    answer = await get(made, f"/policy?{query}")
    assert answer.status_code == 400
    assert "This cannot be shown" in answer.text


async def test_the_proof_is_what_was_proven(made: FakeHouse) -> None:
    proof = proving.prove(made.setup)
    shown = await page(made, "/policy")
    assert proof.holds
    assert "All 3 expectations hold." in shown.text
    assert f"Tried on {proof.cases:,} kinds of requests" in shown.text
    promises = [row for row in shown.rows if "promise_cases" in row]
    assert [row["promise_cases"] for row in promises] == [
        f"{one.cases:,}" for one in proof.findings
    ]
    text = " ".join(shown.text.split())
    never = "Never if the operator or its parent company is under the law of:"
    assert f"Requests with label secret {never} China, the EEA or the United States." in text
    assert f"Requests with label personal {never} China." in text
    assert "Requests with label public, for model assistant desk/qwen3-8b is tried first." in text
    for notice in proof.warnings:
        assert all(model in shown.text for model in notice.models)


async def test_a_broken_promise_shows_a_request_that_can_be_explained(tmp_path: Path) -> None:
    with house(tmp_path, policy=BROKEN, keys=[a_key(team="platform", label="internal")]) as found:
        proof = proving.prove(found.setup)
        answer = await get(found, "/policy")
        shown = Page(answer.text)
        assert [one.holds for one in proof.findings] == [True, False, False, False]
        assert "3 expectations do not hold." in shown.text
        assert "deepseek/deepseek-chat may answer, its operator is CN" in shown.text
        assert "No request is like this" in shown.text
        links = re.findall(r'href="([^"]*)">Explain this request<', answer.text)
        assert len(links) == 2
        asked = parse_qs(urlsplit(unescape(links[0])).query)
        assert asked["label"] == ["public"]
        followed = await get(found, unescape(links[0]).removeprefix("/dashboard"))
        admitted, out = explained(followed.text)
        # It cannot be called here; that it may is what breaks the promise.
        assert ("deepseek/deepseek-chat", "") in out
        assert "cannot be called" in followed.text
        assert admitted


async def test_a_proof_is_made_once_for_one_setup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_for: list[Setup] = []

    def counting(setup: Setup) -> Any:
        made_for.append(setup)
        return proving.prove(setup)

    monkeypatch.setattr(policy_proof, "prove", counting)
    with house(tmp_path) as found:
        for language in LANGUAGES:
            assert (await get(found, f"/policy?lang={language}")).status_code == 200
        assert made_for == [found.setup]
    (tmp_path / "other").mkdir()
    with house(tmp_path / "other") as other:
        await page(other, "/policy")
        assert made_for == [found.setup, other.setup]


async def test_the_rules_are_said_in_words(tmp_path: Path) -> None:
    providers = {
        **CONFIG["providers"],
        "mistral": {**CONFIG["providers"]["mistral"], "only_for": {"team": ["platform"]}},
    }
    models = {
        **CONFIG["models"],
        "far": {"routes": ["deepseek/deepseek-chat"], "forbid": {"weights": "closed"}},
    }
    keys = [a_key(team="platform", require={"trains_on_data": "never"})]
    parts = {"providers": providers, "models": models, "keys": keys, "detect": {"email": "个人"}}
    with house(tmp_path, policy=BROKEN, **parts) as found:
        shown = await page(found, "/policy")
    text = " ".join(shown.text.split())
    for said in (
        (
            "for a team Requests with label internal or a more sensitive one, of team platform "
            "Only if the operator and its parent company are all under the law of: the EEA, at home or "
            "nordic. Only if nothing is kept at all."
        ),
        "never Requests with tag batch Never the model: *chat.",
        "key ci stands in the config Requests by key ci Only if the host trains on what is sent: never.",
        (
            "provider mistral stands in the config Every request except those of team platform "
            "Never the provider: mistral."
        ),
        (
            "model far stands in the config Requests for model far, under whichever name "
            "Never a model with weights that are: closed."
        ),
        "nordic: Denmark, Finland, Norway",
        "patients → 个人",
        "e-mail addresses → 个人",
    ):
        assert said in text, said


async def test_a_policy_without_rules_says_so(tmp_path: Path) -> None:
    config = {name: part for name, part in CONFIG.items() if name != "policy"}
    with house(tmp_path, config) as found:
        shown = await page(found, "/policy")
    assert "every configured route may answer every request" in shown.text
    assert "The policy states no expectation" in shown.text
    assert "For anyone on this machine" in shown.text


async def test_without_models_there_is_no_matrix(tmp_path: Path) -> None:
    with house(tmp_path, {}, providers={}, models={}) as found:
        assert "No model is configured." in (await page(found, "/policy")).text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_it_speaks_every_language(tmp_path: Path, language: str) -> None:
    with house(tmp_path, policy=BROKEN, keys=[a_key(team="platform")]) as found:
        answer = await get(found, f"/policy?lang={language}&model=assistant&label=个人&tags=batch")
    assert answer.status_code == 200
    shown = Page(answer.text)
    assert words(language)("policy.decision") in shown.text
    assert words(language)("country.home") in shown.text


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_is_text_and_nothing_else(tmp_path: Path, name: str) -> None:
    """In an address, and in the config's own names."""
    tame = {"name": "tame", "when": {"team": "tame", "tag": "tame"}, "forbid": {"model": "tame"}}
    own = name.replace("\u0001", "").strip()[:200]
    wild = {"name": own, "when": {"team": own, "tag": own}, "forbid": {"model": own}}
    pages = []
    for folder, rule, asked in (("a", tame, "tame"), ("b", wild, name[:2_000])):
        (tmp_path / folder).mkdir()
        rules = [*POLICY["rules"], rule]
        models = {**CONFIG["models"], rule["name"]: "assistant"}
        with house(tmp_path / folder, policy={**POLICY, "rules": rules}, models=models) as found:
            query = "&".join(
                f"{field}={quote(asked)}"
                for field in ("model", "key", "label", "team", "tags", "wire")
            )
            answer = await get(found, f"/policy?{query}")
            assert answer.status_code == 400
            pages.append(Page(answer.text))
    assert set(pages[1].tags) == set(pages[0].tags)
    assert pages[1].tags.count("script") == pages[0].tags.count("script")
    assert not [key for key, _ in pages[1].attributes if key.startswith("on") or key == "style"]


async def test_no_prompt_can_be_put_into_an_address(made: FakeHouse) -> None:
    for field in ("text", "messages", "body", "content"):
        assert (await get(made, f"/policy?{field}=hello")).status_code == 400
    shown = await page(made, "/policy")
    assert "textarea" not in shown.tags

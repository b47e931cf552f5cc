"""The playground in a real browser, against a real gateway between it and two fake hosts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request

from billing.money import usd_text
from gateway.auth import key_hash
from tests.browser.chromium import WIDE, serious
from tests.exchange.conftest import providers
from tests.fakes import answers
from tests.fakes.answers import Behaviour, Gate
from tests.fakes.house import ADMIN_KEY, CLIENT_KEY
from tests.fakes.upstream import Upstream
from tests.running import Running, config, running

pytestmark = pytest.mark.browser

RUDE = "<img src=x onerror=\"document.title='owned'\">\n</script> {{ 7 * 7 }} \u202edrow"
# What the page's console says of a call that the gateway refuses.
REFUSED = "Failed to load resource"
ENDED_MS = 20_000


@dataclass
class Seen:
    """A page of the playground, the calls that it made, and what its console said."""

    gateway: Running
    page: Page
    first: Upstream
    second: Upstream
    calls: list[Request] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def pane(self, number: int = 0) -> Locator:
        """One answer's card."""
        return self.page.locator(".pane").nth(number)

    def part(self, name: str, number: int = 0) -> str:
        """A part of an answer's card."""
        return self.pane(number).locator(f'[data-of="{name}"]').first.inner_text()

    def send(self, *models: str, prompt: str = "Hello", key: str = CLIENT_KEY) -> None:
        """Fill in the form, and send it."""
        self.page.get_by_label("Prompt", exact=True).fill(prompt)
        for number, model in enumerate(models, 1):
            self.page.locator(f"#model-{number}").select_option(model)
        self.page.get_by_label("Key of a client").fill(key)
        self.page.get_by_role("button", name="Send").click()

    def until(self, state: str, number: int = 0) -> None:
        """Wait until an answer is so."""
        self.page.locator(f'.pane:nth-child({number + 1})[data-state="{state}"]').wait_for(
            timeout=ENDED_MS
        )

    def until_booked(self, number: int = 0) -> None:
        """Wait until the ledger has said what an answer cost."""
        self.pane(number).locator('[data-of="link"]').wait_for(timeout=ENDED_MS)


@contextmanager
def shown(
    browser: Browser, gateway: Running, first: Upstream, second: Upstream, **more: Any
) -> Iterator[Seen]:
    """Give the page as an admin has it; nothing is said in its console but of refused calls."""
    context = browser.new_context(
        http_credentials={"username": "me", "password": ADMIN_KEY}, **more
    )
    seen = Seen(gateway, context.new_page(), first, second)

    def asked(request: Request) -> None:
        if "/v1/" in request.url:
            seen.calls.append(request)

    def told(message: ConsoleMessage) -> None:
        seen.said.append(message.text)

    seen.page.on("request", asked)
    seen.page.on("console", told)
    seen.page.on("pageerror", lambda fault: seen.said.append(str(fault)))
    seen.page.goto(f"{gateway.url}/dashboard/playground")
    try:
        yield seen
        assert [words for words in seen.said if REFUSED not in words] == []
        assert "owned" not in seen.page.title()
    finally:
        context.close()


@pytest.fixture
def gateway(tmp_path: Path, upstream: Upstream) -> Iterator[tuple[Running, Upstream, Upstream]]:
    """A gateway with keys, whose models go to two hosts."""
    with Upstream() as second:
        parts = {
            "providers": providers(upstream, second),
            "models": {"assistant": ["one/m", "two/m"], "other": ["two/m"]},
            "keys": [{"name": "ci", "hash": key_hash(CLIENT_KEY), "label": "public"}],
            "policy": {
                "labels": ["public", "secret"],
                "rules": [{"name": "secrets stay in France", "when": {"label_at_least": "secret"},
                           "require": {"operator": ["FR"]}}],
            },
            "server": {"admin_key": ADMIN_KEY},
        }  # fmt: skip
        with running(config(tmp_path, **parts)) as made:
            yield made, upstream, second


@pytest.fixture
def seen(browser: Browser, gateway: tuple[Running, Upstream, Upstream]) -> Iterator[Seen]:
    """The page on a desk."""
    with shown(browser, *gateway) as found:
        yield found


def streamed(*parts: str, **how: Any) -> Behaviour:
    """A stream of these words."""
    return answers.sse(answers.chat_stream(parts, model="m-2026"), **how)


def test_three_answer_side_by_side_each_with_what_it_cost(seen: Seen) -> None:
    seen.first.script(streamed("Bonjour", ", ", "monde"), streamed("Salut"))
    seen.second.script(streamed("Hello", " world"))
    seen.page.locator("#ask summary").click()
    seen.page.get_by_label("System text").fill("Be brief.")
    seen.page.get_by_label("Longest answer").fill("77")
    seen.page.get_by_label("Tags").fill("try, batch")
    seen.send("assistant", "other", "one/m", prompt="Say hello.")
    for number in range(3):
        seen.until("ended", number)
        seen.until_booked(number)
    texts = [seen.part("text", number) for number in range(3)]
    assert texts[1] == "Hello world"
    assert {texts[0], texts[2]} == {"Bonjour, monde", "Salut"}
    assert [seen.part("route", number) for number in range(3)] == ["one/m", "two/m", "one/m"]
    assert [seen.part("operator", number) for number in range(3)] == ["FR", "US", "FR"]
    assert seen.part("served") == "m-2026"
    assert seen.part("lane") == "relayed as it came"
    assert seen.part("first").endswith("s")
    rows = seen.gateway.entries(3)
    exact = seen.page.locator('[data-of="cost"] data').evaluate_all("all => all.map(e => e.value)")
    assert sorted(exact) == sorted(f"{usd_text(row['cost_pico'])} USD" for row in rows)
    assert {row["tags"] for row in rows} == {"batch,try"}
    asked = seen.second.requests[0].json()
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Say hello."},
    ]
    assert asked["max_tokens"] == 77
    # Who listens is told once of each, and only at the end.
    assert sorted(seen.page.locator("#announced p").all_inner_texts()) == [
        "assistant has answered.", "one/m has answered.", "other has answered.",
    ]  # fmt: skip
    link = seen.pane().locator('[data-of="link"]').get_attribute("href")
    seen.page.goto(f"{seen.gateway.url}{link}")
    assert seen.page.locator("#cost data").get_attribute("value") == exact[0]


def test_calls_have_the_clients_key_and_never_the_admins(seen: Seen) -> None:
    seen.send("assistant")
    seen.until("ended")
    seen.send("assistant", key="nonsense")
    seen.until("failed")
    assert seen.part("code") == "invalid_key"
    seen.send("assistant", key="")
    seen.until("failed")
    assert "no API key" in seen.part("message")
    sent = [request.all_headers().get("authorization") for request in seen.calls]
    assert sent == [f"Bearer {CLIENT_KEY}", "Bearer nonsense", None]
    assert CLIENT_KEY not in seen.page.url
    kept = "[JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie]"
    assert seen.page.evaluate(kept) == ["{}", "{}", ""]
    seen.page.get_by_label("Key of a client").fill(CLIENT_KEY)
    seen.page.goto(f"{seen.gateway.url}/dashboard/policy")
    seen.page.go_back()
    assert seen.page.get_by_label("Key of a client").input_value() == ""


def test_words_are_shown_as_they_come_and_can_be_stopped(seen: Seen) -> None:
    gate = Gate()
    seen.first.script(streamed("One", " two", " three", gate=gate))
    seen.send("assistant")
    gate.step(3)  # the role, and two words
    seen.until("answering")
    seen.page.get_by_text("One two").wait_for()
    assert seen.page.get_by_role("button", name="Send").get_attribute("aria-disabled") == "true"
    assert seen.page.locator("#announced").inner_text() == ""
    # By keyboard: whoever stops it stands at its heading.
    seen.pane().get_by_role("button", name="Stop").press("Enter")
    seen.until("stopped")
    assert seen.page.evaluate("document.activeElement.textContent") == "assistant"
    seen.first.until(lambda: seen.first.requests[0].connection.closed.is_set())
    seen.until_booked()
    assert seen.part("text") == "One two"
    assert "estimated" in seen.part("tokens")
    assert seen.page.locator("#announced").inner_text() == "assistant was stopped."


def test_all_can_be_stopped_at_once(seen: Seen) -> None:
    seen.first.script(answers.stall())
    seen.second.script(answers.stall())
    seen.send("assistant", "other")
    seen.page.get_by_role("button", name="Stop all").click()
    seen.until("stopped", 0)
    seen.until("stopped", 1)
    assert seen.page.get_by_role("button", name="Stop all").is_hidden()


def test_what_fails_says_why_in_the_gateways_own_words(seen: Seen) -> None:
    seen.page.evaluate("document.querySelector('#model-2 option').value = 'nothing-of-this-name'")
    seen.first.script(answers.error(503, "no room"))
    seen.second.script(answers.error(500, "on fire"))
    seen.page.get_by_label("Prompt", exact=True).fill("Hello")
    seen.page.get_by_label("Key of a client").fill(CLIENT_KEY)
    seen.page.get_by_role("button", name="Send").click()
    seen.until("failed", 0)
    seen.until("failed", 1)
    assert seen.part("code", 1) == "unknown_model"
    assert "nothing-of-this-name" in seen.part("message", 1)
    assert seen.part("code", 0) == "no_healthy_route"
    seen.until_booked(0)
    assert seen.part("attempts", 0) == "2"
    seen.page.reload()
    seen.page.locator("#ask summary").click()
    seen.page.get_by_label("Label", exact=True).select_option("secret")
    seen.send("other")
    seen.until("failed", 0)
    assert seen.part("code") == "policy_denied"
    assert "secrets stay in France" in seen.part("message")


def test_after_a_host_that_fails_the_next_one_answers(seen: Seen) -> None:
    seen.first.script(answers.error(503, "no room"))
    seen.second.script(streamed("Here I am"))
    seen.send("assistant")
    seen.until("ended")
    seen.until_booked()
    assert (seen.part("text"), seen.part("route"), seen.part("attempts")) == (
        "Here I am",
        "two/m",
        "2",
    )


def test_a_stream_that_breaks_off_or_faults_is_no_whole_answer(seen: Seen) -> None:
    seen.first.script(answers.cut(streamed("Half", " of", " it"), after=3, how="reset"))
    seen.send("assistant")
    seen.page.locator('.pane:is([data-state="cut"], [data-state="failed"])').wait_for()
    assert seen.part("text") == "Half of"
    fault = [
        *answers.chat_stream(["A"], finish=None, usage=None),
        answers.error_event("out of memory"),
    ]
    seen.second.script(answers.sse(fault, done=False))
    seen.send("other")
    seen.until("failed")
    assert "out of memory" in seen.part("message")


def test_reasoning_stands_apart(seen: Seen) -> None:
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def delta(**said: str) -> dict[str, Any]:
        return {**chunk, "choices": [{"index": 0, "delta": said, "finish_reason": None}]}

    events = [delta(reasoning_content="Hm, "), delta(reasoning="well"), delta(content="Yes")]
    whole = [*events, *answers.chat_stream([], role_chunk=False)]
    seen.first.script(answers.sse(whole))
    seen.send("assistant")
    seen.until("ended")
    assert seen.part("text") == "Yes"
    assert seen.pane().locator('[data-of="reasoning"]').text_content() == "Hm, well"
    assert seen.pane().locator("details").get_attribute("open") is None


def test_answers_are_only_ever_text_and_of_a_bounded_length(seen: Seen) -> None:
    seen.first.script(streamed(RUDE))
    seen.send("assistant")
    seen.until("ended")
    assert seen.pane().locator('[data-of="text"]').text_content() == RUDE
    assert seen.pane().locator("img").count() == 0
    too_long = seen.pane().get_by_text("more than this page shows")
    assert too_long.is_hidden()
    seen.first.script(streamed(*["long " * 10_000] * 5))
    seen.send("assistant")
    seen.until("ended")
    size = seen.pane().locator('[data-of="text"]').evaluate("e => e.textContent.length")
    assert size == 200_000
    assert too_long.is_visible()


def test_what_no_header_can_carry_is_said_before_anything_is_sent(seen: Seen) -> None:
    seen.page.locator("#ask summary").click()
    seen.page.get_by_label("Tags").fill("标签")
    seen.send("assistant")
    assert "no header can carry" in seen.page.get_by_role("alert").inner_text()
    assert seen.calls == []


def test_it_fits_a_hand_and_is_sent_by_keyboard(
    browser: Browser, gateway: tuple[Running, Upstream, Upstream]
) -> None:
    with shown(browser, *gateway, viewport={"width": 390, "height": 844}) as seen:
        long = "a-word-without-any-end-" * 30
        seen.first.script(streamed(long))
        seen.page.get_by_label("Key of a client").fill(CLIENT_KEY)
        seen.page.get_by_label("Prompt", exact=True).fill("Hello")
        seen.page.get_by_label("Prompt", exact=True).press("Control+Enter")
        seen.until("ended")
        seen.until_booked()
        assert seen.page.evaluate(WIDE) == []
        assert serious(seen.page) == []
        assert seen.part("text") == long


def test_without_scripts_it_says_so_and_how_to_call_from_a_terminal(
    browser: Browser, gateway: tuple[Running, Upstream, Upstream]
) -> None:
    with shown(browser, *gateway, java_script_enabled=False) as seen:
        assert seen.page.locator("#ask").is_hidden()
        assert "curl" in seen.page.locator("pre").inner_text()

"""`entrepot egress`: the list is whole, each host has its reason, and nobody is asked for it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway import egress, ledger_hosts
from gateway.config_file import read
from gateway.problems import ConfigError
from gateway.setup import Setup, compile_setup
from providers.auth.asked import asked_at
from providers.catalog import builtin
from providers.guard import place_of
from tests.unit.gateway.commands import entrepot, told

Config = Callable[..., Path]
HOME = {"catalog": "vllm", "base_url": "http://192.168.1.5:8000/v1"}
MISTRAL = {"catalog": "mistral", "endpoint": "eu", "api_key": "sk-canary-1"}


def setup_of(tmp_config: Config, providers: Mapping[str, Any], **parts: Any) -> Setup:
    return compile_setup(read(tmp_config({"providers": providers, **parts}), {}))


def hosts(setup: Setup, environment: Mapping[str, str] | None = None) -> set[str]:
    return {one.host for one in egress.contacts(setup, environment or {})}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def test_whatever_a_call_can_be_sent_to_is_on_the_list(tmp_config: Config) -> None:
    """Over every endpoint of every host of the catalogue, on every wire, counts too."""
    providers = {
        f"{name}-{at}": {"catalog": name, "endpoint": at, "api_key": "k", "terms": "we may"}
        for name, host in builtin().hosts.items()
        for at, where in host.endpoints.items()
        if where.base_url is not None and not where.blanks
    }
    setup = setup_of(tmp_config, providers)
    places = egress.allowed(setup, {}).places
    tried = 0
    for owner in setup.providers.values():
        if owner.available:
            continue
        for wire, at in owner.endpoint.wires.items():
            for count in (False, True) if at.count_path else (False,):
                target = owner.endpoint.target(wire, "m", count=count)
                assert target.place is None or target.place in places
                tried += 1
    assert tried > 100


def test_each_has_its_reason_and_says_what_it_lacks(tmp_config: Config) -> None:
    path = tmp_config(
        {
            "ledger": "postgresql://u:sk-canary-2@db.example.com:6000/books",
            "providers": {
                "home": HOME,
                "mistral": MISTRAL,
                "openai": {"api_key": "${NOT_SET_ANYWHERE}"},
                "own": {"catalog": "llama-cpp", "launch": {"model": "smollm2-135m"}},
            },
        }
    )
    found = told("egress", "--config", path)
    by_who = {one["who"]: one for one in found["contacts"]}
    assert by_who["home"]["host"] == "192.168.1.5"
    assert "tells of itself" in by_who["home"]["reason"]
    assert (by_who["mistral"]["port"], by_who["mistral"]["scheme"]) == (443, "https")
    assert by_who["openai"]["not_now"] == "NOT_SET_ANYWHERE is not set in the environment"
    assert (by_who["own"]["host"], by_who["own"]["port"]) == ("127.0.0.1", 0)
    assert (by_who["ledger"]["host"], by_who["ledger"]["port"]) == ("db.example.com", 6000)
    assert set(found["nobody"]) == {"price updates", "telemetry", "webhooks"}
    text = entrepot("egress", "--config", path).stdout
    assert "telemetry: none" in text
    assert "http://192.168.1.5:8000" in text


def test_what_cannot_be_used_is_not_allowed(tmp_config: Config) -> None:
    setup = setup_of(tmp_config, {"home": HOME, "openai": {"api_key": "${NOT_SET_ANYWHERE}"}})
    assert "api.openai.com" in hosts(setup)
    assert egress.allowed(setup, {}).places == {("192.168.1.5", 8000)}


def test_a_proxy_of_the_environment_is_listed_and_the_hosts_behind_it(
    tmp_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    setup = setup_of(tmp_config, {"home": HOME, "mistral": MISTRAL})
    found = {one.host: one for one in egress.contacts(setup, os.environ)}
    assert found["proxy.example.com"].purpose == "proxy"
    assert "api.eu.mistral.ai" in found["proxy.example.com"].reason
    assert found["api.eu.mistral.ai"].proxy == "http://proxy.example.com:3128"
    assert found["192.168.1.5"].proxy == ""
    assert ("proxy.example.com", 3128) in egress.allowed(setup, os.environ).places


def test_at_home_only_the_guard_gets_nothing_that_is_elsewhere(
    tmp_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.com:3128")
    setup = setup_of(tmp_config, {"home": HOME, "mistral": MISTRAL}, egress="home_only")
    allowed = egress.allowed(setup, os.environ)
    assert allowed.home_only
    assert allowed.places == {("192.168.1.5", 8000)}
    assert {one.host for one in egress.contacts(setup, os.environ) if one.not_now} >= {
        "proxy.example.com"
    }


def test_at_home_only_what_is_elsewhere_is_unavailable_and_check_says_so(
    tmp_config: Config,
) -> None:
    remote = {"catalog": "ollama", "base_url": "http://127.0.0.1:11434"}
    path = tmp_config({"egress": "home_only", "providers": {"mistral": MISTRAL, "at-home": remote}})
    setup = compile_setup(read(path, {}))
    assert "api.eu.mistral.ai is not on this machine" in setup.route("mistral/m").available
    assert setup.route("at-home/qwen").available == ""
    assert "runs on other machines" in setup.route("at-home/big-cloud").available
    assert "egress is home_only" in entrepot("check", "--config", path).stdout


@pytest.mark.parametrize(
    ("ledger", "elsewhere"),
    [
        ("sqlite:///books.db", []),
        ("postgresql://u@db/books", []),
        ("postgresql://u@10.0.0.5:5433/books", []),
        ("postgresql://u@[fd12::1]/books", []),
        ("postgresql:///books?host=/run/postgresql", []),
        ("postgresql://u:p%40@db.example.com/books", ["db.example.com"]),
        ("postgresql://u@db/books?hostaddr=8.8.8.8", ["8.8.8.8"]),
        ("postgresql://u@db:1,db.example.com:2/books", ["db.example.com"]),
        ("postgresql:///books?host=db&host=db.example.com", ["db.example.com"]),
        ("postgresql:///books?service=prod", ["service=prod"]),
    ],
)
def test_a_ledger_elsewhere_is_refused_at_home_only(
    tmp_config: Config, ledger: str, elsewhere: list[str]
) -> None:
    assert ledger_hosts.away(ledger, {}) == elsewhere
    setup_of(tmp_config, {}, ledger=ledger)
    if elsewhere:
        with pytest.raises(ConfigError, match="egress is home_only, and the database at"):
            setup_of(tmp_config, {}, ledger=ledger, egress="home_only")
    else:
        setup_of(tmp_config, {}, ledger=ledger, egress="home_only")


def test_the_driver_may_find_its_host_in_the_environment() -> None:
    found = ledger_hosts.places("postgresql:///books", {"PGHOST": "db.example.com", "PGPORT": "7"})
    assert found == [("db.example.com", 7)]


def write(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content)
    return str(folder / name)


def test_credentials_are_asked_for_where_their_files_say(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        "config",
        "[profile base]\naws_access_key_id = A\n"
        "[profile role]\nrole_arn = arn\nsource_profile = base\nregion = eu-west-1\n"
        "[profile sso]\nsso_session = us\n[sso-session us]\nsso_region = us-east-2\n",
    )
    files = {"AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    quiet = {**files, "AWS_EC2_METADATA_DISABLED": "true"}

    def aws(profile: str | None, environment: Mapping[str, str]) -> set[str]:
        return {place_of(url)[0] for url in asked_at("aws", "eu-central-1", profile, environment)}

    assert aws(None, {"AWS_ACCESS_KEY_ID": "A"}) == set()
    assert aws("base", files) == set()
    assert aws("role", quiet) == {
        "sts.amazonaws.com", "sts.eu-central-1.amazonaws.com", "sts.eu-west-1.amazonaws.com",
    }  # fmt: skip
    assert aws("sso", quiet) == {
        "portal.sso.us-east-2.amazonaws.com", "oidc.us-east-2.amazonaws.com",
    }  # fmt: skip
    assert aws(None, files) == {"169.254.169.254"}
    assert aws(None, {**quiet, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}) == {"169.254.170.2"}
    assert aws(None, {**quiet, "AWS_PROFILE": ""}) == set()

    account = write(tmp_path, "a.json", json.dumps({"token_uri": "https://t.example.com/token"}))
    assert asked_at("google", None, account, {}) == ["https://t.example.com/token"]
    elsewhere = {"CLOUDSDK_CONFIG": str(tmp_path)}
    assert asked_at("google", None, None, elsewhere) == [
        "http://metadata.google.internal", "http://169.254.169.254",
    ]  # fmt: skip
    tenant = {
        "tenant": "t",
        "appId": "a",
        "password": "p",
        "activeDirectoryEndpointUrl": "d.example",
    }
    assert asked_at("entra", None, json.dumps(tenant), {}) == ["https://d.example"]

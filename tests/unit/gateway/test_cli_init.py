"""`entrepot init` over the whole catalogue: every key that is set, plans apart, servers by port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from gateway.commands import catalog_texts, init, local_servers
from providers.catalog import BUILTIN, Catalog, builtin
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.unit.gateway.commands import CANARY, entrepot, own_process, told

ALL = sorted(path.stem for path in BUILTIN.glob("*.yaml"))
REAL = builtin()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local_servers, "find", lambda hosts: [])
    for name in ALL:
        for endpoint in REAL.hosts[name].endpoints:
            if variable := REAL.at(name, endpoint).auth_env:
                monkeypatch.delenv(variable, raising=False)


def with_keys(monkeypatch: pytest.MonkeyPatch, *variables: str) -> None:
    """Set these variables; no value may come out anywhere."""
    for variable in variables:
        monkeypatch.setenv(variable, CANARY)


def test_the_quick_look_at_the_files_misses_nothing() -> None:
    texts = catalog_texts.read()
    homes = {name for name in ALL if REAL.hosts[name].kind == "home"}
    assert set(texts.at_home()) == homes
    assert texts.at_home().index("bitnet") > texts.at_home().index("llama-cpp"), (
        "what is like another kind of server is not taken for it"
    )
    for name in ALL:
        for endpoint in REAL.hosts[name].endpoints:
            variable = REAL.at(name, endpoint).auth_env
            assert variable is None or name in texts.with_variable([variable]), name


def test_every_host_whose_key_is_set_is_there_and_the_config_passes_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts = [REAL.hosts[name] for name in ALL]
    with_keys(monkeypatch, *(host.auth_env for host in hosts if host.auth_env))
    found = told("init")["found"]["keyed"]
    named = {host["name"] for host in found["hosts"]}
    named |= {host["name"] for some in found["shared"].values() for host in some}
    named |= {plan["name"] for plan in found["plans"]}
    named |= {name for _, name, _ in found["gone"]}
    assert named == {host.id for host in hosts if host.auth_env}
    assert {name for _, name, _ in found["gone"]} >= {"github-models"}
    checked = entrepot("check")
    assert checked.exit_code == 0
    text = Path("config.yaml").read_text()
    assert CANARY not in text
    assert max(len(line) for line in text.splitlines() if "its known models" not in line) < 140


def test_only_hosts_that_matter_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch, "MISTRAL_API_KEY")
    read: list[str] = []

    class Watched(dict[str, object]):
        def __getitem__(self, name: str) -> object:
            read.append(name)
            return super().__getitem__(name)

    watched = MappingProxyType(Watched(REAL.hosts.items()))
    read.clear()
    catalog: Catalog = replace(REAL, hosts=watched)
    monkeypatch.setattr(init, "builtin", lambda: catalog)
    assert entrepot("init").exit_code == 0
    assert set(read) == {"mistral", *catalog_texts.read().at_home()}


def test_an_endpoint_is_chosen_by_its_variable_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch, "MISTRAL_API_KEY", "ZHIPU_API_KEY")
    shown = entrepot("init")
    assert "mistral (global; there are also eu, us)" in shown.stdout
    text = Path("config.yaml").read_text()
    assert "# endpoint global, https://api.mistral.ai/v1; others" in text
    assert '  zai:\n    api_key: "${ZHIPU_API_KEY}"\n    endpoint: mainland\n' in text
    assert "zai-coding:  # " in text


def test_a_plan_is_a_comment_with_its_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch, "ZAI_CODING_API_KEY", "KIMI_API_KEY")
    document = told("init")
    assert document["found"]["keyed"]["hosts"] == []
    assert document["found"]["routes"] in ([], ["home/smollm2-135m"])
    plans = {plan["name"]: plan["allowed"] for plan in document["found"]["keyed"]["plans"]}
    assert plans == {"zai-coding": False, "kimi-code": None}
    lines = Path("config.yaml").read_text().splitlines()
    assert "#  zai-coding:  # GLM Coding Plan; by the token the same vendor is zai" in lines
    assert any("its terms do not allow a gateway: forbidden" in line for line in lines)
    assert any("its terms are not known to allow a gateway" in line for line in lines)
    assert "a plan; its terms do not allow a gateway" in entrepot("init", "--force").stdout


def test_what_is_commented_out_can_be_uncommented(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch, "MISTRAL_API_KEY", "ZAI_CODING_API_KEY", "ARK_API_KEY")
    assert entrepot("init").exit_code == 0
    path = Path("config.yaml")
    above, mark, below = path.read_text().partition("# What clients ask for")
    lines = (line[1:] if line.startswith("#  ") else line for line in above.splitlines())
    path.write_text("\n".join(lines) + "\n" + mark + below)
    checked = told("check")
    assert {one["name"] for one in checked["providers"]} >= {"zai-coding", "volcengine", "byteplus"}


def test_no_key_goes_to_a_host_that_it_may_not_belong_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch, "ARK_API_KEY")
    found = told("init")["found"]
    assert [host["name"] for host in found["keyed"]["shared"]["ARK_API_KEY"]] == [
        "volcengine", "byteplus",
    ]  # fmt: skip
    assert told("check")["providers"] == [] or {
        one["name"] for one in told("check")["providers"]
    } == {"home"}


def test_an_address_with_blanks_names_the_variables_that_fill_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_keys(monkeypatch, "AZURE_OPENAI_API_KEY", "INFOMANIAK_API_KEY")
    shown = entrepot("init")
    assert "its address needs AZURE_FOUNDRY_RESOURCE, too" in shown.stdout
    text = Path("config.yaml").read_text()
    assert 'base_url: "https://${AZURE_FOUNDRY_RESOURCE}.services.ai.azure.com' in text
    assert "azure-foundry/" not in text, "it is no route before it has an address"
    assert entrepot("check").exit_code == 0
    monkeypatch.setenv("AZURE_FOUNDRY_RESOURCE", "acme")
    addresses = {one["name"]: one["address"] for one in told("check")["providers"]}
    assert addresses["azure-foundry"].startswith("https://acme.services.ai.azure.com/")


@pytest.fixture
def second() -> Iterator[Upstream]:
    """A second port."""
    with Upstream() as host:
        yield host


def test_kinds_of_server_with_one_port_are_told_apart(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    row = {"id": "mine", "object": "model", "max_model_len": 8192}
    both = [
        replace(REAL.hosts[name], usual_ports=(upstream.port,))
        for name in ("transformers-serve", "vllm")
    ]
    upstream.always("/v1/models", answers.json_body({"data": [row]}))
    (found,) = local_servers.find(both)
    assert (found.host.id, found.may_be) == ("vllm", ("transformers-serve",))
    del row["max_model_len"]
    upstream.always("/v1/models", answers.json_body({"data": [row]}))
    (found,) = local_servers.find(both)
    assert found.host.id == "transformers-serve", "the first one where nothing tells them apart"


def test_a_server_is_known_by_the_models_that_only_it_has(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    named = next(name for name in REAL.hosts["bitnet"].models if "*" not in name)
    kinds = [
        replace(REAL.hosts[name], usual_ports=(upstream.port,)) for name in ("llama-cpp", "bitnet")
    ]
    upstream.always("/v1/models", answers.json_body({"data": [{"id": named}]}))
    (found,) = local_servers.find(kinds)
    assert found.host.id == "bitnet"


def test_init_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = own_process("init", folder=tmp_path, MISTRAL_API_KEY=CANARY)
    assert done.returncode == 0
    assert "mistral" in done.stdout

"""The catalogue loads, a new host is one file, and every mistake is named with line and cure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from billing import list_prices
from billing.stated_prices import from_statement
from providers import catalog
from providers.catalog import Catalog, CatalogError
from providers.dialect import Dialect

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "providers" / "catalog"
HOME = ("llama-cpp", "ollama", "vllm", "sglang", "lm-studio")
PLACE_FACTS = {"operator", "processed_in", "trains_on_data", "retention_days", "zdr"}

NEW_HOST = """\
    id: newcomer
    name: A new host
    kind: hosted
    auth: {kind: header, header: x-api-key, env: NEWCOMER_API_KEY}
    wires: {chat: /chat/completions}
    operator:
      company: {is: {name: Newcomer AS, countries: ['NO']}, source: [site]}
      parent: {is: {name: Holding, countries: [SE]}, source: [site]}
    place:
      trains_on_data: {is: never, source: [site]}
      retention_days: {is: unknown}
      zdr: {is: unknown}
    default_endpoint: north
    endpoints:
      north:
        base_url: {is: 'https://api.newcomer.example/v1', source: [site]}
        processed_in: {is: ['NO'], source: [site]}
      south:
        base_url: {is: 'https://south.newcomer.example/v1', source: [site]}
        processed_in: {is: unknown}
        retention_days: {is: 7, source: [site]}
        surcharge: {is: '1.05', source: [site]}
    dialect:
      source: [site]
      rename: {seed: random_seed}
      refuses: [store]
      cached_read_paths: [cached_tokens]
      cost_path: billing.usd
    models:
      small:
        maker: {is: {name: Someone, countries: unknown}, source: [site]}
        weights: {is: open, source: [site]}
        licence: {is: MIT, source: [site]}
        context: {is: 4096, source: [site]}
        max_output: {is: unknown}
        prices: {is: {input: '0.1', output: '0.25'}, source: [site]}
    sources:
      site: {url: 'https://newcomer.example/terms', date: '2026-11-01'}
    """


@pytest.fixture(scope="module")
def known() -> Catalog:
    return catalog.builtin()


def altered(folder: Path, *edits: tuple[str, str]) -> Path:
    text = dedent(NEW_HOST)
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    (folder / "newcomer.yaml").write_text(text, encoding="utf-8")
    return folder


def problems(folder: Path) -> tuple[str, ...]:
    with pytest.raises(CatalogError) as caught:
        catalog.load(folder)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def line_of(folder: Path, words: str) -> str:
    lines = (folder / "newcomer.yaml").read_text(encoding="utf-8").splitlines()
    number = next(i for i, line in enumerate(lines, 1) if words in line)
    return f"{folder / 'newcomer.yaml'}:{number}: "


# The built-in files


ALL = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", ALL)
def test_every_built_in_host_loads(known: Catalog, name: str) -> None:
    host = known.hosts[name]
    assert host.id == name
    assert host.status is not None or "unknown" in (FOLDER / f"{name}.yaml").read_text("utf-8")
    for endpoint in host.endpoints.values():
        assert endpoint.wires
        assert set(endpoint.wires) <= set(host.dialects)
        assert set(endpoint.evidence) >= PLACE_FACTS
        if host.kind == "home":
            assert endpoint.base_url is None
        choices = {setting: about.choices for setting, about in endpoint.settings.items()}
        for setting, some in choices.items():
            for choice in some:
                there = known.at(name, endpoint.id, {setting: choice})
                assert set(there.endpoints[endpoint.id].evidence) >= PLACE_FACTS
        assert known.at(name, endpoint.id).dialects.keys() == host.dialects.keys()


def test_the_catalogue_lists_its_hosts_without_reading_them(known: Catalog) -> None:
    assert set(known.hosts) == set(ALL)
    assert len(known.hosts) == len(ALL)
    assert "openai" in known.hosts
    assert "nobody" not in known.hosts
    with pytest.raises(KeyError):
        known.hosts["nobody"]


def facts_of(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "is" in value:
            yield value
        for inner in value.values():
            yield from facts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from facts_of(inner)


def spoken_sources(value: Any) -> Iterator[str]:
    """The sources of dialects and wires, whose values are no facts with an ``is``."""
    if isinstance(value, dict):
        if "is" not in value and isinstance(value.get("source"), list):
            yield from value["source"]
        for inner in value.values():
            yield from spoken_sources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from spoken_sources(inner)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_fact_has_a_source_with_a_date(path: Path) -> None:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    own, inherited, like = raw.get("sources", {}), set[str](), raw.get("like")
    assert all(source["url"] and source["date"] for source in own.values())
    while like:
        base = yaml.safe_load((FOLDER / f"{like}.yaml").read_text(encoding="utf-8"))
        inherited |= base.get("sources", {}).keys()
        like = base.get("like")
    used = set()
    for fact in facts_of(raw):
        assert fact["is"] == "unknown" or fact["source"], fact
        used.update(fact.get("source", []))
    used.update(spoken_sources(raw))
    assert used <= own.keys() | inherited, "a source that is used but not defined"
    assert own.keys() <= used, "a source that nothing was read in"


def test_evidence_names_value_source_and_date(known: Catalog) -> None:
    text = known.hosts["deepseek"].endpoints["default"].evidence["trains_on_data"]
    assert text.startswith("by_default · https://")
    assert "2026-06-12" in text
    assert "but unknown" in text, "the other reading is kept"
    operator = known.hosts["openai"].endpoints["eu"].evidence["operator"]
    assert operator.startswith("OpenAI OpCo LLC (US)")
    assert "parent OpenAI Group PBC (US)" in operator


def test_what_nobody_established_is_none(known: Catalog) -> None:
    openai = known.hosts["openai"].endpoints
    assert openai["global"].place.processed_in is None
    assert all(openai[name].place.processed_in is None for name in ("au", "gb", "jp", "kr", "sg"))
    assert known.hosts["mistral"].endpoints["global"].place.processed_in is None
    assert known.hosts["deepseek"].endpoints["default"].place.retention_days is None
    model = known.hosts["mistral"].model("never-heard-of")
    assert (model.id, model.maker, model.weights, model.licence) == (
        "never-heard-of", None, None, None,
    )  # fmt: skip
    assert model.context is None
    assert model.prices is None


def test_an_aggregators_operator_is_unknown_as_its_upstream_is(known: Catalog) -> None:
    for endpoint in known.hosts["openrouter"].endpoints.values():
        assert endpoint.place.operator is None
        assert endpoint.place.trains_on_data is None
        assert endpoint.evidence["operator"].startswith("OpenRouter Inc (US)")


def test_regional_endpoints_cost_more(known: Catalog) -> None:
    openai, mistral = known.hosts["openai"].endpoints, known.hosts["mistral"].endpoints
    assert openai["eu"].surcharge == openai["us"].surcharge == Decimal("1.1")
    assert mistral["eu"].surcharge == mistral["us"].surcharge == Decimal("1.1")
    assert openai["global"].surcharge == mistral["global"].surcharge == 1


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "GPT-OSS:120B-Cloud", "glm-5.3:cloud"])
def test_a_cloud_name_at_home_is_remote_and_nothing_of_home_holds(
    known: Catalog, name: str
) -> None:
    host = known.hosts["ollama"]
    model = host.model(name)
    assert model.id == name
    assert model.remote
    assert model.prices is None, "unknown, not free"
    place = host.endpoints["default"].place_of(model)
    assert (place.operator, place.processed_in, place.trains_on_data) == (None, None, None)
    assert (place.retention_days, place.zdr) == (None, None)


@pytest.mark.parametrize("name", HOME)
def test_home_is_free_by_statement_for_every_bucket_and_model(known: Catalog, name: str) -> None:
    host = known.hosts[name]
    model = host.model("whatever:7b")
    assert not model.remote
    assert model.prices is not None
    ((_, price),) = from_statement(model.prices).bands
    assert price.free, "for every bucket, and in every tier of service"
    place = host.endpoints["default"].place_of(model)
    assert place.operator == place.processed_in == {"home"}
    assert (place.trains_on_data, place.retention_days) == ("never", 0)


def test_the_local_model_is_known(known: Catalog) -> None:
    model = known.hosts["llama-cpp"].model("smollm2-135m")
    assert model.maker == {"US", "FR"}
    assert (model.maker_name, model.weights, model.licence) == (
        "Hugging Face", "open", "Apache-2.0",
    )  # fmt: skip
    assert model.context is None
    assert "tools" not in model.can


def test_dialects(known: Catalog) -> None:
    assert known.hosts["openai"].dialect == Dialect(quiet=True)
    deepseek = known.hosts["deepseek"].dialect
    assert deepseek.rename == {"max_completion_tokens": "max_tokens"}
    assert deepseek.cached_read_paths[0] == ("prompt_cache_hit_tokens",)
    assert deepseek.replay_reasoning == "reasoning_content"
    mistral = known.hosts["mistral"].dialect
    assert not mistral.ask_stream_usage
    assert mistral.rename["seed"] == "random_seed"
    assert {"store", "logit_bias", "user", "verbosity", "service_tier"} <= mistral.refuses
    assert re.fullmatch(mistral.tool_ids, "a1B2c3D4e")
    assert known.hosts["openrouter"].dialect.cost_path == ("cost",)


def test_prices_stand_here_only_where_the_price_package_lacks_them(known: Catalog) -> None:
    now = datetime.now(UTC)
    for host in known.hosts.values():
        if host.kind == "home" or host.plan is not None:
            continue  # a machine at home and a plan charge no tokens
        for model in host.models.values():
            if model.prices is None or not host.genai_prices or "*" in model.id:
                continue
            if model.prices.adds or model.prices.bands or model.prices.tiers:
                continue
            found = list_prices.from_genai_prices(host.genai_prices, model.id)
            listed = found.at(now) if found is not None else None
            same = listed is not None and all(
                getattr(listed, bucket) == price for bucket, price in model.prices.figures.items()
            )
            # It gives a cloud the tiers and fees of the makers of its models, which are not its own.
            fee = model.prices.figures.get("search")
            more = listed is not None and (listed.services or listed.search != fee)
            assert not same or more, f"{host.id}/{model.id}: the package says no less"


# A host that somebody adds


def test_a_new_host_is_one_file_and_no_python(tmp_path: Path) -> None:
    host = catalog.load(altered(tmp_path)).hosts["newcomer"]
    assert (host.auth_kind, host.auth_header, host.auth_env) == (
        "header", "x-api-key", "NEWCOMER_API_KEY",
    )  # fmt: skip
    north, south = host.endpoints["north"], host.endpoints["south"]
    assert north.place.operator == {"NO", "SE"}, "the operator and its parent"
    assert north.place.processed_in == {"NO"}
    assert north.place.retention_days is None
    assert south.place.retention_days == 7, "an endpoint's own fact stands above the host's"
    assert (north.surcharge, south.surcharge) == (Decimal(1), Decimal("1.05"))
    model = host.model("small")
    assert (model.maker, model.maker_name) == (None, "Someone")
    assert model.prices is not None
    assert model.prices.figures == {"input": Decimal("0.1"), "output": Decimal("0.25")}
    assert model.prices is not None
    assert model.prices.source.url == "https://newcomer.example/terms"
    assert host.dialect.rename == {"seed": "random_seed"}
    assert host.dialect.refuses == {"store"}
    assert host.dialect.cached_read_paths == (("cached_tokens",),)
    assert host.dialect.cost_path == ("billing", "usd")
    assert host.dialect.reasoning_paths == Dialect().reasoning_paths, "the wire's own stays"


def test_a_later_folder_adds_hosts_and_says_single_facts_otherwise(tmp_path: Path) -> None:
    own = altered(tmp_path)
    said = """\
        place:
          retention_days: {is: 0, source: [contract]}
        endpoints:
          eu: {processed_in: {is: [DE], source: [contract]}}
        sources:
          contract: {url: our contract of 2026, date: '2026-10-01'}
        """
    (own / "mistral.yaml").write_text(dedent(said), encoding="utf-8")
    hosts, before = catalog.load(FOLDER, own).hosts, catalog.load(FOLDER).hosts["mistral"]
    assert {"newcomer", "openai"} <= set(hosts)
    mine = hosts["mistral"].endpoints
    assert mine["eu"].place.processed_in == {"DE"}
    assert mine["eu"].evidence["processed_in"] == "DE · our contract of 2026 · 2026-10-01"
    assert {at.place.retention_days for at in mine.values()} == {0}
    assert mine["global"].place.processed_in == before.endpoints["global"].place.processed_in
    assert hosts["mistral"].models == before.models
    assert before.endpoints["eu"].place.processed_in != {"DE"}, "only where the folder is named"


def test_a_fault_in_an_own_file_is_told_where_it_stands(tmp_path: Path) -> None:
    said = "id: mistral\nplace:\n  retention_days: {is: many, source: [docs]}\n"
    (tmp_path / "mistral.yaml").write_text(said, encoding="utf-8")
    with pytest.raises(CatalogError) as caught:
        catalog.load(FOLDER, tmp_path)
    wrong = caught.value.problems
    assert len(wrong) == 2
    assert all(text.startswith(f"{tmp_path / 'mistral.yaml'}:3: ") for text in wrong)
    assert "there is no source `docs`" in " ".join(wrong)


def test_one_contract_may_be_like_another(tmp_path: Path) -> None:
    altered(tmp_path)
    said = """\
        id: newcomer-plan
        like: newcomer
        name: A plan of the new host
        place: {trains_on_data: {is: by_default, source: [plan]}}
        default_endpoint: plan
        endpoints:
          plan:
            base_url: {is: 'https://plan.newcomer.example/v1', source: [plan]}
            processed_in: {is: unknown}
        models:
          small: {context: {is: 2048, source: [plan]}}
        plan:
          name: Newcomer Coding
          tiers:
            Lite:
              fees: {is: [{amount: '18', currency: USD}], source: [plan]}
              windows: {is: [{per: 5h, unit: prompts, amount: '120'}], source: [plan]}
          terms:
            gateway: {is: forbidden, source: [plan]}
            clients: {is: unknown}
        sources:
          plan: {url: 'https://newcomer.example/plan', date: '2026-11-02'}
        """
    (tmp_path / "newcomer-plan.yaml").write_text(dedent(said), encoding="utf-8")
    plan = catalog.load(tmp_path).hosts["newcomer-plan"]
    assert list(plan.endpoints) == ["plan"]
    place = plan.endpoints["plan"].place
    assert (place.trains_on_data, place.operator) == ("by_default", {"NO", "SE"})
    assert plan.dialect.rename == {"seed": "random_seed"}
    model = plan.models["small"]
    assert (model.context, model.licence) == (2048, "MIT")
    assert plan.plan is not None
    assert (plan.plan.gateway, plan.plan.clients) == ("forbidden", None)
    (lite,) = plan.plan.tiers.values()
    assert lite.fees is not None
    assert lite.windows is not None
    assert lite.fees[0].amount == Decimal(18)
    assert lite.windows[0].amount == Decimal(120)


def test_what_is_like_itself_or_like_nobody_is_told(tmp_path: Path) -> None:
    altered(tmp_path, ("id: newcomer\n", "id: newcomer\nlike: newcomer\n"))
    assert problems(tmp_path) == (
        f"{tmp_path / 'newcomer.yaml'}:2: the host `newcomer` is like itself; name another one",
    )
    altered(tmp_path, ("id: newcomer\n", "id: newcomer\nlike: nobody\n"))
    (told,) = problems(tmp_path)
    assert "the host `nobody` is in no folder" in told


def test_an_endpoint_may_say_a_fact_of_a_model_otherwise(tmp_path: Path) -> None:
    altered(
        tmp_path,
        (
            "        retention_days: {is: 7, source: [site]}\n".replace("        ", "    ", 1),
            (
                "    retention_days: {is: 7, source: [site]}\n"
                "    models:\n"
                "      small: {prices: {is: {input: '7', output: '9', currency: CNY}, source: [site]}}\n"
                "      only-here:\n"
                "        {context: {is: unknown}, max_output: {is: unknown}, maker: {is: unknown},\n"
                "         weights: {is: unknown}, licence: {is: unknown}}\n"
            ),
        ),
    )
    known = catalog.load(tmp_path)
    north, south = known.at("newcomer", "north"), known.at("newcomer", "south")
    assert set(north.models) == {"small"}
    assert set(south.models) == {"small", "only-here"}
    there = south.models["small"]
    assert there.prices is not None
    assert (there.prices.currency, there.context) == ("CNY", 4096)
    here = north.models["small"].prices
    assert here is not None
    assert here.currency == "USD"


def test_a_new_host_may_name_a_built_in_family(tmp_path: Path) -> None:
    mini = "  mini: {family: glm-5.3, context: {is: unknown}, max_output: {is: unknown}}\n"
    own = altered(tmp_path, ("  small:\n", mini + "  small:\n"))
    model = catalog.load(FOLDER, own).hosts["newcomer"].model("mini")
    assert model.maker == {"CN"}
    assert "https://huggingface.co/zai-org" in model.evidence["licence"]


# Mistakes


def test_three_mistakes_are_all_reported_with_line_and_nearest_key(tmp_path: Path) -> None:
    altered(
        tmp_path,
        ("trains_on_data: {is: never", "trains_on_data: {is: nevr"),
        ("retention_days: {is: 7", "retention_day: {is: 7"),
        ("context: {is: 4096, source: [site]}", "context: {is: 4096, source: [sight]}"),
    )
    found = problems(tmp_path)
    assert len(found) == 3
    trains, days, source = found
    assert trains.startswith(line_of(tmp_path, "nevr"))
    assert "did you mean `never`?" in trains
    assert days.startswith(line_of(tmp_path, "retention_day:"))
    assert "unknown key `retention_day`; did you mean `retention_days`?" in days
    assert source.startswith(line_of(tmp_path, "sight"))
    assert "there is no source `sight`; did you mean `site`?" in source


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ("kind: hosted", "kind: hostel", "kind: hostel", "did you mean `hosted`?"),
        ("source: [site]}\n    weights", "source: []}\n    weights", "maker", "has no source"),
        ("{is: unknown}\n  zdr", "{is: }\n  zdr", "retention_days", "write `unknown`"),
        ("  zdr: {is: unknown}\n", "", "north:", "says nothing of `zdr`"),
        ("    max_output: {is: unknown}\n", "", "small:", "says nothing of `max_output`"),
        ("['NO']}, source", "[NO]}, source", "Newcomer AS", "put it in quotes"),
        ("countries: [SE]", "countries: [UK]", "[UK]", "write GB"),
        ("countries: [SE]", "countries: [Sweden]", "Sweden", "two capitals"),
        ("{is: '1.05'", "{is: 1.05", "1.05", "in quotes"),
        ("input: '0.1'", "input: '-0.1'", "-0.1", "0 or more"),
        ("input: '0.1'", "input: 'ten'", "'ten'", "not a decimal number"),
        ("input: '0.1'", "inptu: '0.1'", "inptu", "did you mean `input`?"),
        ("default_endpoint: north", "default_endpoint: nort", "nort\n", "did you mean `north`?"),
        ("id: newcomer", "id: newcommer", "id: newc", "must be the file's name, 'newcomer'"),
        ("weights: {", "family: none-such\n    weights: {", "none-such", "no family"),
        ("kind: hosted", "kind: aggregator", "north:", "needs `upstream:`"),
        ("zdr: {is: unknown}", "zdr: {is: unknown}\n  zdr: {is: unknown}", "", "stands here twice"),
        ("name: A new host\n", "", "", "`name` is missing"),
        ("example/v1'", "example/v1/'", "api.newcomer", "base_url.is` must"),
        ("/chat/completions}", "/chat/completions, gossip: /g}", "gossip", "must be 'chat', 'responses'"),
        ("context: {is: 4096", "context: {is: '4096'", "4096", "integer"),
        ("weights: {is: open, source: [site]}", "weights: open", "weights", "a fact such as {is:"),
        ("zdr: {is: unknown}", "zdr: {is: no, source: [site]}", "zdr", "put it in quotes"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_its_cure(
    tmp_path: Path, old: str, new: str, at: str, words: str
) -> None:
    altered(tmp_path, (old, new))
    found = problems(tmp_path)
    hit = [problem for problem in found if words in problem]
    assert hit, found
    if at:
        assert hit[0].startswith(line_of(tmp_path, at.strip()))


def test_a_hosted_endpoint_needs_a_base_url(tmp_path: Path) -> None:
    base = "    base_url: {is: 'https://api.newcomer.example/v1', source: [site]}\n"
    altered(tmp_path, (base, ""))
    assert "no `base_url`; only a home host may" in problems(tmp_path)[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ":1: must be a mapping"),
        ("- a list", ":1: must be a mapping"),
        ("id: x\nname: [unclosed\n", "not YAML"),
        ("id: x\n\tname: tab\n", ":2: not YAML"),
        ("id: \x07\n", "cannot be read"),
        ("id: !!python/object:os.system x\n", ":1: not YAML"),
    ],
)
def test_what_is_no_host_at_all_is_said(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "odd.yaml").write_text(text, encoding="utf-8")
    (found,) = problems(tmp_path)
    assert str(tmp_path / "odd.yaml") in found
    assert words in found


def test_not_utf8_and_no_folder_are_said(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_bytes(b"id: \xff\xfe\n")
    assert "cannot be read" in problems(tmp_path)[0]
    assert "is not a folder" in problems(tmp_path / "nowhere")[0]


def test_the_faults_of_all_files_come_together(tmp_path: Path) -> None:
    families = tmp_path / "families"
    families.mkdir()
    (families / "f.yaml").write_text("sources: {}\nfamilies: {a: {weihts: {is: unknown}}}\n")
    altered(tmp_path, ("kind: hosted", "kind: hostel"))
    family, host = problems(tmp_path)
    assert "f.yaml:2: unknown key `weihts`; did you mean `weights`?" in family
    assert "hostel" in host

"""The config file: what it may say, and every mistake with its line and what would be right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config_file import Loaded, read
from gateway.config_models import ModelForm
from gateway.problems import ConfigError, Problem

ROOT = Path(__file__).parents[3]
NOTHING: Mapping[str, str] = MappingProxyType({})
ZEROS = "sha256:" + "0" * 64
ONES = "sha256:" + "1" * 64
NO_HASH = (
    "is not the hash of a key (a key itself never stands in this file), sha256: and 64 hex digits"
)
HOME = "providers: {home: {catalog: llama-cpp, base_url: http://127.0.0.1:8081}}\n"


def load(folder: Path, text: str, env: Mapping[str, str] = NOTHING) -> Loaded:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return read(path, env)


def wrong(folder: Path, text: str, env: Mapping[str, str] = NOTHING) -> list[str]:
    """Give the problems as printed, without the folder in front of ``file:line``."""
    with pytest.raises(ConfigError) as fault:
        load(folder, text, env)
    assert str(fault.value).splitlines() == [str(problem) for problem in fault.value.problems]
    return [str(problem).removeprefix(f"{folder}/") for problem in fault.value.problems]


def warned(loaded: Loaded) -> list[str]:
    return [f"{problem.line}: {problem.what}, {problem.right}" for problem in loaded.warnings]


# What is good.


def test_the_example_loads_without_any_key() -> None:
    loaded = read(ROOT / "config.example.yaml", {})
    config = loaded.config
    assert config.server.host == "127.0.0.1"
    assert config.providers["home"].launch is not None
    assert config.providers["home"].launch.start == "at_start"
    entry = config.models["assistant"]
    assert isinstance(entry, ModelForm)
    assert entry.routes[0] == "home/smollm2-135m"
    assert next(iter(config.models)) == "assistant"
    assert loaded.missing["mistral"] == ("MISTRAL_API_KEY",)
    assert "home" not in loaded.missing
    assert loaded.policy.rules
    assert {path.name for path in loaded.files} == {"config.example.yaml", "policy.example.yaml"}


def test_an_empty_mapping_is_a_gateway_with_everything_by_default(tmp_path: Path) -> None:
    loaded = load(tmp_path, "server: {}\n")
    assert loaded.config.ledger == f"sqlite:///{tmp_path}/var/entrepot.db"
    assert loaded.config.journal == tmp_path / "var/journal"
    assert warned(loaded) == [
        "1: no policy is stated, so every route may answer every request, policy: policy.yaml"
    ]


def test_numbers_stay_exact_and_names_stay_text(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
providers:
  openrouter:
  own: {catalog: vllm, base_url: "http://10.0.0.5:8000", watts: 350, usd_per_kwh: 0.1}
  far:
    catalog: openai
    api_key: x
    prices: {m: {input: 0.1, output: 1e0, date: 2026-11-01}}
    facts: {operator: [NO], zdr: no}
budgets: [{name: all, usd: 0.10, per: month}]
""",
    ).config
    assert config.budgets[0].usd == Decimal("0.10")
    assert config.providers["far"].prices["m"].input == Decimal("0.1")
    assert config.providers["far"].prices["m"].date == "2026-11-01"
    assert config.providers["far"].facts.operator == ("NO",)
    assert config.providers["far"].facts.zdr == "no"
    assert config.providers["own"].usd_per_kwh == Decimal("0.1")
    assert config.host_of("openrouter") == "openrouter"
    assert config.host_of("own") == "vllm"


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: []\n", encoding="utf-8")
    (tmp_path / "hosts").mkdir()
    loaded = load(
        tmp_path,
        "ledger: sqlite:///db/l.db\njournal: /else/where\npolicy: rules.yaml\ncatalog: [hosts]\n"
        "providers: {home: {catalog: llama-cpp, launch: {model: weights/m.gguf}}}\n",
    )
    config = loaded.config
    assert config.ledger == f"sqlite:///{tmp_path}/db/l.db"
    assert config.journal == Path("/else/where")
    assert config.catalog == (tmp_path / "hosts",)
    assert config.providers["home"].launch is not None
    assert config.providers["home"].launch.model == str(tmp_path / "weights/m.gguf")
    assert {tmp_path / "config.yaml", tmp_path / "rules.yaml", tmp_path / "hosts"} <= loaded.files


def test_the_hash_names_the_files_and_not_the_environment(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("rules: []\n", encoding="utf-8")
    text = "policy: p.yaml\nproviders: {openai: {api_key: '${K}'}}\n"
    first = load(tmp_path, text, {"K": "one"}).hash
    assert load(tmp_path, text, {"K": "two"}).hash == first
    assert load(tmp_path, text + "# more\n", {"K": "one"}).hash != first
    (tmp_path / "p.yaml").write_text("rules: [] # more\n", encoding="utf-8")
    assert load(tmp_path, text, {"K": "one"}).hash != first


def test_no_secret_shows_in_what_is_printed(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "server: {admin_key: hush-1}\nledger: postgresql://u:hush-2@h/d\n"
        "providers: {openai: {api_key: hush-3, headers: {x-extra: hush-4}}}\n"
        f"keys: [{{name: k, hash: {ZEROS}}}]\n",
    )
    assert "hush" not in repr(loaded.config)
    assert "0000" not in repr(loaded.config)


def test_a_key_is_sent_without_the_line_break_of_its_file(tmp_path: Path) -> None:
    form = load(tmp_path, "providers: {openai: {api_key: '${K}'}}\n", {"K": "abc\n"}).config
    key = form.providers["openai"].api_key
    assert key is not None
    assert key.get_secret_value() == "abc"


# Variables.


def test_variables_are_values_and_never_structure(tmp_path: Path) -> None:
    env = {"URL": "http://127.0.0.1:1/v1", "PORT": "81", "BAD": "x: {y: [1]}\n${URL}"}
    config = load(
        tmp_path,
        "server: {port: '${PORT}', time_zone: '${ZONE:-UTC}'}\n"
        "providers:\n"
        "  a: {catalog: vllm, base_url: '${URL}', free: '${BAD_:-}${URL} is mine'}\n",
        env,
    ).config
    assert config.server.port == 81
    assert config.server.time_zone == "UTC"
    assert config.providers["a"].base_url == env["URL"]
    assert config.providers["a"].free == "http://127.0.0.1:1/v1 is mine"
    config = load(tmp_path, "providers: {a: {catalog: openai, headers: {x-a: '${V}'}}}", {"V": "${W}"}).config  # fmt: skip
    assert config.providers["a"].headers["x-a"] == "${W}"


def test_a_provider_that_lacks_a_variable_is_left_out_and_the_rest_serves(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """\
policy: {rules: []}
providers:
  home: {catalog: llama-cpp, base_url: http://127.0.0.1:8081}
  a: {catalog: openai, api_key: "${A_KEY}", headers: {x-org: "${A_ORG}"}}
  b: {catalog: ollama, base_url: "${B_URL}"}
  c: {catalog: llama-cpp, launch: {model: "${C_MODEL}"}}
  d: {catalog: vllm, base_url: http://d:1, watts: "${D_WATTS}", usd_per_kwh: 0.3}
  e: {catalog: openai, api_key: x, prices: {m: {input: "${E_PRICE}", output: 1}}}
  f: {catalog: openai, api_key: "${EMPTY}"}
models: {m: [a/gpt-6-luna, b/x, home/y]}
""",
        {"EMPTY": ""},
    )
    assert loaded.missing == {
        "a": ("A_KEY", "A_ORG"),
        "b": ("B_URL",),
        "c": ("C_MODEL",),
        "d": ("D_WATTS",),
        "e": ("E_PRICE",),
        "f": ("EMPTY",),
    }
    told = warned(loaded)
    assert "4: A_KEY is not set, so provider 'a' cannot be used, set it before the start" in told
    assert all("not set" in text for text in told if not text.startswith("10:"))
    assert loaded.config.providers["d"].usd_per_kwh is None


def test_elsewhere_a_missing_variable_is_a_mistake(tmp_path: Path) -> None:
    text = "server:\n  admin_key: ${ADMIN}\nledger: ${DB}\npolicy: {rules: []}\n"
    assert wrong(tmp_path, text) == [
        "config.yaml:2: ADMIN is not set, set it, or write ${ADMIN:-a default}",
        "config.yaml:3: DB is not set, set it, or write ${DB:-a default}",
    ]
    config = load(tmp_path, "server: {admin_key: '${ADMIN:-}'}\n").config
    assert config.server.admin_key is None


@pytest.mark.parametrize("text", ["${A", "${A-B}", "${}", "${1A}", "a${A:-${B}", "$${A"])
def test_half_a_variable_is_a_mistake(tmp_path: Path, text: str) -> None:
    (problem,) = wrong(tmp_path, f"providers: {{openai: {{free: '{text}', api_key: x}}}}\n", {"A": "a"})  # fmt: skip
    assert problem.startswith("config.yaml:1: a `${` here is no variable, ${NAME} or")


# What is wrong.


def test_all_mistakes_are_told_at_once_by_line(tmp_path: Path) -> None:
    found = wrong(
        tmp_path,
        """\
server: {prot: 8080, port: true}
policy: {labels: [low, high], rules: [{name: r, require: {opertor: [CH]}}]}
providers:
  home: {catalog: llama-cpp, base_url: http://127.0.0.1:8081}
  mistrl: {api_key: x}
  far: {catalog: openai, endpoint: moon, api_key: x}
models:
  a: [hom/x]
keys:
  - {name: k, hash: ek_live_abcdef}
""",
    )
    assert found == [
        "config.yaml:1: `server.port` is true or false, a number",
        "config.yaml:1: unknown key `prot`, did you mean 'port'?",
        "config.yaml:2: unknown fact 'opertor', did you mean 'operator'?",
        "config.yaml:5: the catalogue has no host 'mistrl', did you mean 'mistral'?",
        "config.yaml:6: openai has no endpoint 'moon', "
        + next(text for text in found if "moon" in text).partition("'moon', ")[2],
        "config.yaml:8: route 'hom/x' names no provider of this config, did you mean 'home'?",
        f"config.yaml:10: `keys.0.hash` {NO_HASH}, as `entrepot keys hash` prints it",
    ]
    assert not any("ek_live" in text for text in found)


ONE_MISTAKE = [
    ("sever: {}", "unknown key `sever`, did you mean 'server'?"),
    ("server: {timeouts: {conect_s: 1}}", "did you mean 'connect_s'?"),
    ("server: {timeouts: {total_s: 900000}}", "a number at most 7200"),
    ("server: {timeouts: {total_s: 0}}", "a number over 0"),
    ("server: {port: true}", "`server.port` is true or false, a number"),
    ("server: {port: 70000}", "a number at most 65535"),
    ("server: {time_zone: Mars}", "names no time zone, a name such as UTC"),
    ("server: [1]", "a mapping of `key: value`"),
    ("server:", "a mapping of `key: value`"),
    ("state: disk", "`state` is neither memory nor a Redis or Valkey server, memory, or redis://"),
    ("state: redis://:canary@h/0?db=1", "`state` has more than the number of a database"),
    ("state: redis://h:99999/0", "`state` is no address"),
    ("webhook: ftp://h/x", "`webhook` is not an address"),
    ("webhook: https://canary:canary@h/x", "`webhook` holds a user name"),
    ("ledger: mysql://h/d", "is not a database that the ledger can be in"),
    ("ledger: 'sqlite:///:memory:'", "names no file"),
    ("policy: nowhere.yaml", "the policy 'nowhere.yaml' cannot be read"),
    ("policy: 5", "is neither a file nor a mapping"),
    ("catalog: [nowhere]", "there is no such folder"),
    ("providers: {'a/b': {catalog: openai, api_key: x}}", "is not a name, letters, digits"),
    ("providers: {openai: {apikey: x}}", "unknown key `apikey`, did you mean 'api_key'?"),
    ("providers: {openai: {api_key: 'a b'}}", "holds spaces or signs that no key has"),
    ("providers: {openai: {api_key: 12}}", "needs quotes to be text"),
    ("providers: {openai: {timeouts: {connect_s: 1}}}", "unknown key `connect_s`"),
    ("providers: {openai: {forward: [Authorization]}}", "authorization, which is never passed on"),
    ("providers: {openai: {forward: [x-entrepot-label]}}", "which is never passed on"),
    ("providers: {openai: {forward: ['a b']}}", "is not the name of a header"),
    ("providers: {openai: {headers: {Host: x}}}", "sets Host, which is made for each call"),
    ('providers: {openai: {headers: {a: "x\\r\\ny: z"}}}', "that no header has"),
    ("providers: {openai: {base_url: 'http://169.254.169.254'}}", "hand out credentials"),
    ("providers: {openai: {base_url: 'https://a:b@h/v1'}}", "put the credential under api_key"),
    ("providers: {openai: {facts: {operator: [UK]}}}", "names no country"),
    ("providers: {openai: {facts: {operator: []}}}", "is an empty list"),
    ("providers: {openai: {facts: {trains_on_data: nevr}}}", "one of 'never', 'opt_out'"),
    (
        "providers: {openai: {prices: {m: {input: 1}}}}",
        "`providers.openai.prices.m` has an input and",
    ),
    ("providers: {openai: {prices: {m: {input: -1, output: 1}}}}", "a number at least 0"),
    ("providers: {openai: {prices: {m: {input: .nan, output: 1}}}}", "a number such as 0.50"),
    ("providers: {openai: {prices: {m: {input: 1000.01, output: 1}}}}", "not per token or in"),
    ("providers: {openai: {free: mine, usd_per_hour: 1}}", "says its price by free and by usd_per"),
    ("providers: {openai: {watts: 10}}", "only one of watts and usd_per_kwh, both, or"),
    ("providers: {openai: {launch: {model: m}}}", "the gateway cannot launch openai"),
    ("providers: {vllm: {launch: {model: m}, base_url: 'http://h'}}", "both launch and base_url"),
    (
        "providers: {vllm: {}}",
        "vllm has no address of its own, add base_url: http://127.0.0.1:8000",
    ),
    (HOME + "models: {a: []}", "`models.a.routes`"),
    (HOME + "models: {a: [home]}", "'home' is not a route, provider/model"),
    (HOME + "models: {a: [home/x, home/x]}", "route 'home/x' stands here twice"),
    (HOME + "models: {a: home/x}", "a route stands in a list: [home/x]"),
    (HOME + "models: {a: [home/x], b: aa}", "alias 'b' leads to no model 'aa', did you mean 'a'?"),
    (HOME + "models: {a: a}", "alias 'a' leads back to itself"),
    (HOME + "models: {'a-*': a-big}", "alias 'a-*' leads back to itself"),
    (HOME + "models: {a: {routes: [home/x], prefer: best}}", "'cheapest', 'fastest' or 'weighted'"),
    (HOME + "models: {a: {routes: [home/x], prefer: {cheapest: 1}}}", "blends less than two"),
    (HOME + "models: {a: {routes: [home/x], weights: {home/x: 2}}}", "that nothing looks at"),
    (
        HOME + "models: {a: {routes: [home/x], prefer: weighted, weights: {home/y: 2}}}",
        "weighs 'home/y', which is none of its routes",
    ),
    (
        HOME + "models: {a: {routes: [home/x], prefer: weighted, weights: {home/x: 0}}}",
        "weighs every route 0",
    ),
    ("providers: {vllm: {base_url: 'http://127.0.0.1:1/v1', slots: 2}}", "has slots that nothing"),
    (HOME + "models: {a: {routes: [home/x], hedge: {percentile: 20}}}", "at least 50"),
    (f"keys: [{{name: k, hash: {ZEROS}, label: privat}}]", "the policy has no label 'privat'"),
    (f"keys: [{{name: k, hash: {ZEROS}, rpm: 0}}]", "a number at least 1"),
    (f"keys: [{{name: k, hash: {ZEROS[:-1]}}}]", "is not the hash of a key"),
    (f"keys: [{{name: k, hash: {ZEROS}}}, {{name: k, hash: {ONES}}}]", "a second key has the name"),
    (
        f"keys: [{{name: k, hash: {ZEROS}}}, {{name: l, hash: {ZEROS}}}]",
        "a second key has the hash",
    ),
    ("budgets: [{name: b, usd: 5, per: yearly}]", "is no period of a budget, minute, hour, day"),
    ("budgets: [{name: b, usd: 5, per: rolling 5y}]", "or a window such as rolling 5h"),
    ("budgets: [{name: b, usd: 5, per: day, provider: p9}]", "there is no provider 'p9'"),
    ("budgets: [{name: b, usd: 5, per: day, label: l9}]", "there is no label 'l9'"),
    ("budgets: [{name: b, usd: 5, per: day, user: each, key: each}]", "for each key and for each"),
    ("budgets: [{name: b, usd: 5, per: day, alerts: []}]", "at"),
    ("budgets: [{name: b, usd: 5, per: day, key: k}]", "there is no key 'k'"),
    ("budgets: [{name: b, usd: 5, per: day, team: t}]", "no key is of team 't'"),
    ("budgets: [{name: b, usd: 5, per: day}, {name: b, usd: 6, per: day}]", "a second budget"),
    (f"server: {{host: 0.0.0.0, admin_key: x}}\n{HOME}", "without keys the gateway serves this"),
    (f"server: {{host: '::'}}\nkeys: [{{name: k, hash: {ZEROS}}}]", "dashboard would be open"),
]


@pytest.mark.parametrize(("text", "says"), ONE_MISTAKE)
def test_one_mistake_is_one_problem(tmp_path: Path, text: str, says: str) -> None:
    (problem,) = wrong(tmp_path, text + "\n")
    assert problem.startswith("config.yaml:")
    assert says in problem


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "just words\n"])
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    expected = "config.yaml:1: is empty or not a mapping, see config.example.yaml"
    assert wrong(tmp_path, text) == [expected]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml:1: cannot be read: No such file"):
        read(tmp_path / "config.yaml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path, {})


def test_a_policy_file_has_its_own_lines(tmp_path: Path) -> None:
    policy = "labels: [a, b]\nrules:\n  - name: r\n    forbid: {maker: [XX]}\n    unles: {}\n"
    (tmp_path / "p.yaml").write_text(policy, encoding="utf-8")
    found = wrong(tmp_path, "policy: p.yaml\nmodles: {}\n")
    assert found[0].startswith("config.yaml:2: unknown key `modles`")
    assert all(text.startswith("p.yaml:") for text in found[1:])
    assert any(text.startswith("p.yaml:5: unknown key 'unles'") for text in found)
    (tmp_path / "p.yaml").write_text("rules: [\n", encoding="utf-8")
    assert wrong(tmp_path, "policy: p.yaml\n")[0].startswith("p.yaml:2: not YAML")
    (tmp_path / "p.yaml").write_text("rules: []\nrules: []\n", encoding="utf-8")
    assert wrong(tmp_path, "policy: p.yaml\n")[0].startswith("p.yaml:2: `rules` stands here for")


def test_a_policy_inside_the_file_has_the_files_lines(tmp_path: Path) -> None:
    text = "policy:\n  labels: [a]\n  rules:\n    - {name: r, forbid: {maker: [XX]}}\n"
    (problem,) = wrong(tmp_path, text)
    assert problem.startswith("config.yaml:4: ")


def test_a_host_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / "own.yaml").write_text("id: own\nnonsense: 1\n", encoding="utf-8")
    found = wrong(tmp_path, "catalog: [hosts]\n")
    assert found
    assert all(text.startswith("hosts/own.yaml:") for text in found)


def test_what_is_odd_but_may_be_meant_is_a_warning(tmp_path: Path) -> None:
    told = warned(
        load(
            tmp_path,
            f"""\
policy: {{rules: []}}
providers:
  a: {{catalog: vllm, base_url: http://models.example.org/v1}}
  openai: {{api_key: x}}
  deepseek:
models:
  m: [a/anything, openai/unheard-of]
keys: [{{name: k, hash: {ZEROS}, models: [mm, "x-*", openai/y]}}]
""",
        )
    )
    assert [text.partition(",")[0] for text in told] == [
        "8: keys without a server.admin_key leave the dashboard and /api open to every program here",
        "8: there is no model 'mm'",
        "3: the address is not encrypted and not in your network",
        "3: the address is not on this machine or its network",
        "5: has no api_key",
        "7: the catalogue has no 'unheard-of' at openai",
    ]
    assert told[4].endswith("add api_key: ${DEEPSEEK_API_KEY}")


WORDS = st.sampled_from(
    ["server", "models", "providers", "keys", "openai", "a", "routes", "api_key", "prices", "${X}"]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(data=st.dictionaries(WORDS, ANY, max_size=5))
def test_any_shape_is_read_or_refused_with_a_line(
    data: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        load(tmp_path_factory.getbasetemp(), json.dumps(data, indent=1))
    except ConfigError as fault:
        problems = fault.problems or (Problem("", 0, "", ""),)
    assert all(problem.line >= 1 and problem.what for problem in problems)

"""What the documents name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from gateway import bill_forms
from gateway.config_file import read
from gateway.setup import compile_setup
from providers import catalog
from tests.source_tree import ROOT

NAMED = re.compile(r"`(tests/[\w/]+(?:\.py)?/?)?(?:::(\w+))?`")


def test_every_test_that_the_pains_name_exists() -> None:
    path = ""
    for line in (ROOT / "docs/pains.md").read_text().splitlines():
        for named in NAMED.finditer(line):
            path = named[1] or path
            if not path:
                continue
            assert (ROOT / path).exists(), named[0]
            if named[2]:
                assert f"def {named[2]}(" in (ROOT / path).read_text(), named[0]


DOCUMENTS = (
    "README.md",
    "CHANGELOG.md",
    "docs/pains.md",
    "docs/catalog.md",
    "docs/ci.md",
    "docs/routing.md",
    "docs/plans.md",
    "docs/home.md",
    "docs/prices.md",
    "docs/spend.md",
    "docs/reconcile.md",
    "docs/audit.md",
    "docs/budgets.md",
    *(f"docs/decisions/{path.name}" for path in sorted((ROOT / "docs/decisions").glob("*.md"))),
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_links_to_exists(document: str) -> None:
    folder = (ROOT / document).parent
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / document).read_text()):
        if "://" not in target:
            assert (folder / target).exists(), f"{document} links to {target}"


def test_the_readme_names_every_code_of_an_error() -> None:
    codes = re.findall(
        r'^    "(\w+)": \(\d', (ROOT / "gateway/errors.py").read_text(), re.MULTILINE
    )
    readme = (ROOT / "README.md").read_text()
    assert codes
    for code in codes:
        assert f"`{code}`" in readme, code


def yaml_blocks(document: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


def test_the_catalogue_files_of_the_documents_can_be_used(tmp_path: Path) -> None:
    written = []
    for block in yaml_blocks("docs/catalog.md"):
        named = re.match(r"# my-catalog/(\S+)\n", block)
        if named:
            (tmp_path / named[1]).write_text(block, encoding="utf-8")
            written.append(Path(named[1]).stem)
    assert len(written) == 2
    hosts = catalog.load(catalog.BUILTIN, tmp_path).hosts
    assert all(hosts[name] for name in written)


def test_the_configs_of_the_documents_can_be_used(tmp_path: Path) -> None:
    (block,) = [block for block in yaml_blocks("docs/catalog.md") if "providers:" in block]
    said = yaml.safe_load(block)
    said["providers"]["together-ai"] = {"api_key": "k"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
    setup = compile_setup(read(tmp_path / "config.yaml", {}))
    for name, first in (("coder", "home/glm:q8"), ("steady", "together-ai/zai-org/GLM-5.3")):
        found = setup.candidates(name)
        assert found is not None
        assert found.routes[0].name == first


def test_the_configs_of_the_guides_on_money_can_be_used(tmp_path: Path) -> None:
    environment = {
        "DEEPSEEK_API_KEY": "k",
        "OPENROUTER_API_KEY": "k",
        "ENTREPOT_ALERTS_URL": "https://a.b",
    }
    for page in ("prices", "budgets"):
        blocks = yaml_blocks(f"docs/{page}.md")
        assert blocks
        for block in blocks:
            said = {"providers": {"deepseek": {"api_key": "k"}}, **yaml.safe_load(block)}
            (tmp_path / "config.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
            read(tmp_path / "config.yaml", environment)


def test_the_bill_of_the_guide_can_be_read(tmp_path: Path) -> None:
    (block,) = yaml_blocks("docs/reconcile.md")
    (tmp_path / "bill.yaml").write_text(block, encoding="utf-8")
    assert bill_forms.load(tmp_path / "bill.yaml").zone == "Europe/Paris"


def test_the_providers_of_the_guides_on_plans_and_home_can_be_used(tmp_path: Path) -> None:
    for page, provider in (("plans", "glm"), ("home", "desk")):
        (block,) = yaml_blocks(f"docs/{page}.md")
        said = yaml.safe_load(block)
        said["providers"]["deepseek"] = {"api_key": "k"}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
        setup = compile_setup(read(tmp_path / "config.yaml", {"ZAI_CODING_API_KEY": "k"}))
        owner = setup.providers[provider]
        assert not owner.available
        assert (owner.machine is not None) == (page == "home")

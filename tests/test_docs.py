"""What the documents name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

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

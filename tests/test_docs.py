"""What the documents name exists."""

from __future__ import annotations

import re

import pytest

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


@pytest.mark.parametrize("document", ["README.md", "docs/pains.md", "CHANGELOG.md"])
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

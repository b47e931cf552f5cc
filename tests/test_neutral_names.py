"""No provider stands in the code, and nothing of the workplace in the repository."""

from __future__ import annotations

import re
import subprocess
from functools import cache

import pytest

from tests.source_tree import ROOT, Source, identifiers, sources, strings

# How people write them; the ids of the catalogue are added. "llama cpp" also finds llama.cpp,
# llama_cpp, llama-cpp and LlamaCpp, "llamacpp" the one word.
USUAL_SPELLINGS = {
    "openai", "open ai", "anthropic", "deepseek", "deep seek", "mistral", "openrouter",
    "open router", "ollama", "vllm", "v llm", "llama cpp", "llamacpp", "llama server",
    "lmstudio", "lm studio", "groq", "cerebras", "moonshot", "dashscope", "alibaba", "zhipu",
    "xai", "minimax", "siliconflow", "huggingface", "hugging face", "litellm",
}  # fmt: skip
# Ids that are everyday words too: only a literal that is nothing else counts.
EVERYDAY_WORDS = {"together", "fireworks", "perplexity", "home", "local", "nebius"}
MAY_NAME_PROVIDERS = "providers/odd/"

# Written so that the patterns do not find themselves.
MACHINE_PATHS = re.compile(
    r"(?<![\w.~-])/(?:[w]ork|[r]oot|[h]ome/\w+|[U]sers/\w+)/|[C]:\\{1,2}Users"
)
INDEX_ADDRESSES = re.compile(
    r"[p]ypi\.org/simple|[p]ythonhosted|--(?:extra-)?[i]ndex-url|[P]IP_INDEX|[U]V_INDEX"
    r"|--[f]ind-links|[r]egistry\.npmjs|\b[a]rtifactory\b|\b[d]evpi\b"
)
# Inside an image these are the image's own.
PATHS_OF_THEIR_OWN = {"Dockerfile"}


def words(text: str) -> str:
    """Return ``text`` in lower case, its parts (camel case too) parted by single spaces."""
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    parted = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", parted)
    return f"{_squeeze(text)} | {_squeeze(parted)}"


def _squeeze(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


@cache
def provider_names() -> frozenset[str]:
    """Return what may not be said: the spellings above and the catalogue's ids.

    A wire or a way to sign is called by the name that the world gave it, so a folder of
    ``providers/wires`` and a file of ``providers/auth`` allows its own.
    """
    ids = {_squeeze(path.stem) for path in (ROOT / "providers/catalog").glob("*.yaml")}
    rooms = {path.stem for path in (ROOT / "providers/wires").iterdir()}
    rooms |= {path.stem for path in (ROOT / "providers/auth").iterdir()}
    joined = {name.replace(" ", "") for name in ids}
    return frozenset((USUAL_SPELLINGS | ids | joined) - rooms - EVERYDAY_WORDS)


@cache
def provider_pattern() -> re.Pattern[str]:
    """Return what finds one of them at the beginning of a word."""
    # Long single words may go on ("deepseekv3"); the others are whole: "xai" but not "xaina".
    names = (
        name if len(name) >= 6 and " " not in name else rf"{name}(?![a-z])"
        for name in sorted(provider_names())
    )
    return re.compile(rf"(?<![a-z])(?:{'|'.join(names)})")


@cache
def everyday_ids() -> frozenset[str]:
    """Return the ids of the catalogue that are everyday words."""
    ids = {path.stem for path in (ROOT / "providers/catalog").glob("*.yaml")}
    return frozenset(EVERYDAY_WORDS & ids)


@cache
def named_in(text: str) -> str | None:
    """Return the provider that ``text`` names, at the beginning of a word, or None."""
    if _squeeze(text) in everyday_ids():
        return _squeeze(text)
    found = provider_pattern().search(words(text))
    return found.group() if found else None


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.path)
def test_no_provider_is_named_in_code(source: Source) -> None:
    if source.path.startswith(MAY_NAME_PROVIDERS):
        return
    said = [(0, source.path), *identifiers(source), *strings(source)]
    named = [f"line {line}: {text[:60]!r}" for line, text in said if named_in(text)]
    assert not named, "what tells providers apart is data: providers/catalog/*.yaml"


@pytest.mark.parametrize(
    "text", ["OPENAI_API_KEY", "OpenAIError", "llama.cpp", "LlamaCpp", "is_vllm", "deepseekV3"]
)
def test_spellings_are_found(text: str) -> None:
    assert named_in(text)


@pytest.mark.parametrize("text", ["put together", "coherent", "open air", "an openapi page"])
def test_other_words_are_not(text: str) -> None:
    assert named_in(text) is None


@cache
def repository_files() -> tuple[str, ...]:
    """Return the paths of what is committed or would be. Skips where there is no git."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(sorted(path for path in listed.split("\0") if (ROOT / path).is_file()))


def lines_with(pattern: re.Pattern[str], paths: list[str]) -> list[str]:
    """Return ``path:line: what was found`` for the text files among ``paths``."""
    found = []
    for path in paths:
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if hit := pattern.search(line):
                found.append(f"{path}:{number}: {hit.group()}")
    return found


def test_no_path_of_somebodys_machine() -> None:
    paths = [path for path in repository_files() if path not in PATHS_OF_THEIR_OWN]
    assert not lines_with(MACHINE_PATHS, paths)


def test_no_package_index_is_named() -> None:
    assert not lines_with(INDEX_ADDRESSES, list(repository_files()))


def test_requirements_have_no_addresses() -> None:
    paths = [path for path in repository_files() if path.startswith("requirements/")]
    assert paths
    assert not lines_with(re.compile(r"\w+://|^\s*-[if]\b"), paths)

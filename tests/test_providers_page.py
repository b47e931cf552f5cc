"""The page with every host of the catalogue is the catalogue's own, and nobody is missing on it."""

from __future__ import annotations

import pytest

from docs.providers_page import PAGE, page

# Every system that people named -> the hosts under which it stands.
NAMED = {
    # Closed models and hosts of the United States.
    "OpenAI": ["openai"],
    "Anthropic": ["anthropic"],
    "Google AI Studio": ["google-ai-studio"],
    "Google Vertex": ["google-vertex"],
    "xAI": ["xai"],
    "Amazon Bedrock": ["amazon-bedrock"],
    "Azure / Microsoft Foundry": ["azure-foundry"],
    "Oracle OCI": ["oracle-oci"],
    "Cohere": ["cohere"],
    "Groq": ["groq"],
    "Cerebras": ["cerebras"],
    "Together": ["together-ai"],
    "Fireworks": ["fireworks-ai"],
    "DeepInfra": ["deepinfra"],
    "SambaNova": ["sambanova"],
    "NVIDIA": ["nvidia"],
    "Perplexity": ["perplexity"],
    "Cloudflare": ["cloudflare"],
    "GitHub Copilot": ["github-copilot"],
    # Hosted in China, or by companies of it.
    "DeepSeek": ["deepseek"],
    "Alibaba Qwen": ["alibaba"],
    "Zhipu / Z.ai GLM": ["zai"],
    "Moonshot Kimi": ["moonshot"],
    "MiniMax": ["minimax"],
    "ByteDance Doubao (Volcengine, BytePlus)": ["volcengine", "byteplus"],
    "Tencent Hunyuan": ["tencent"],
    "Baidu": ["baidu"],
    "StepFun": ["stepfun"],
    "Xiaomi MiMo": ["xiaomi-mimo"],
    "SiliconFlow": ["siliconflow"],
    # European and others.
    "Mistral": ["mistral"],
    "Scaleway": ["scaleway"],
    "OVHcloud": ["ovhcloud"],
    "IONOS": ["ionos"],
    "Nebius": ["nebius"],
    "Infomaniak": ["infomaniak"],
    "STACKIT": ["stackit"],
    "Berget": ["berget"],
    "T-Systems": ["t-systems"],
    "Aleph Alpha": ["aleph-alpha"],
    "Opper": ["opper"],
    # Aggregators and subscriptions.
    "OpenRouter": ["openrouter"],
    "OpenCode Zen and Go": ["opencode-zen", "opencode-go"],
    "Vercel AI Gateway": ["vercel"],
    "Hugging Face router": ["huggingface"],
    "coding plan of Z.ai": ["zai-coding"],
    "coding plan of Kimi": ["kimi-code"],
    "coding plan of MiniMax": ["minimax-plan"],
    "coding plan of Qwen": ["alibaba-coding"],
    "coding plan of Volcengine": ["volcengine-coding"],
    # At home.
    "llama.cpp": ["llama-cpp"],
    "Ollama": ["ollama"],
    "vLLM": ["vllm"],
    "SGLang": ["sglang"],
    "LM Studio": ["lm-studio"],
    "TGI": ["tgi"],
    "MLX": ["mlx"],
    "transformers serve": ["transformers-serve"],
    "BitNet through llama.cpp": ["bitnet"],
}


def test_the_page_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make providers-page`"


@pytest.mark.parametrize("system", NAMED)
def test_every_system_that_was_named_is_on_the_page(system: str) -> None:
    rows = PAGE.read_text(encoding="utf-8").splitlines()
    for host in NAMED[system]:
        assert any(row.startswith(f"| `{host}`<br>") for row in rows), host


# The addresses that are told apart by law or place, in the words of the page.
@pytest.mark.parametrize(
    ("host", "endpoints"),
    [("openrouter", ["eu"]), ("mistral", ["global", "eu", "us"]), ("alibaba", ["mainland"])],
)
def test_addresses_of_another_place_are_told_apart(host: str, endpoints: list[str]) -> None:
    rows = PAGE.read_text(encoding="utf-8").splitlines()
    row = next(row for row in rows if row.startswith(f"| `{host}`<br>"))
    assert all(f"`{endpoint}`" in row for endpoint in endpoints)

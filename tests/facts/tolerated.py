"""What the catalogue says otherwise than the facts files, on purpose: each with its reason.

By the key of the facts, then by the subject of the difference. One that is no longer there fails.
"""

from __future__ import annotations

from collections.abc import Mapping

STRICTER = "the sources conflict, and the stricter one decides"
OTHER_MONEY = "sold in two currencies at one address; the list that is billed from abroad is kept"
BY_NAME = "tuned weights are of both makers, and the base's is known by the name"
BY_MODEL = "true of some models only, and it stands with those"
OWN_ID = "batches are asked for under an id of its own, with :batch at its end"
SAME_POLICY = "the plan refers to the policy of the platform, which is to be read as training"

TOLERATED: Mapping[str, Mapping[str, str]] = {
    "anthropic": {"wire chat": "a layer for tests only, as its maker says; nobody needs it here"},
    "azure_foundry": {
        "price model-router USD": "the router's fee, to which the model that it picks is added",
    },
    "oracle_oci": {
        "address https://inference.generativeai.eu-frankfurt-2.oci.oraclecloud.eu": (
            "the sovereign realm speaks the vendor's own wire only, as far as is known"
        ),
    },
    "perplexity": {
        "address https://api.perplexity.ai/v1/agent": (
            "the same service under a name that says no wire; it is asked at /v1/responses"
        ),
    },
    "cloudflare_workers_ai": {
        "address https://gateway.ai.cloudflare.com/v1/{account}/{gateway}": (
            "another product: a proxy before other vendors, each under its own contract"
        ),
    },
    "mistral": {"context codestral-2508": STRICTER},
    "ovhcloud": {
        "price gpt-oss-120b EUR": OTHER_MONEY,
        "price gpt-oss-20b EUR": OTHER_MONEY,
        "price Qwen3.5-397B-A17B EUR": OTHER_MONEY,
    },
    "aleph_alpha": {"wire chat": "nobody can call it; its platform at a customer speaks this one"},
    "t_systems": {
        "place t-systems/germany": BY_MODEL,
        "training t-systems/germany": BY_MODEL,
        "zdr t-systems/germany": BY_MODEL,
    },
    "deepseek": {
        "price deepseek-flash CNY": OTHER_MONEY,
        "price deepseek-v4-pro CNY": OTHER_MONEY,
    },
    "alibaba": {
        "price qwen3.7-max-us CNY": "billed in USD there, of which this is a conversion",
        "price qwen3.7-plus-us CNY": "billed in USD there, of which this is a conversion",
        "price qwen-plus CNY": (
            "its words cost four times as much while it thinks: no price per bucket says that"
        ),
    },
    "tencent": {"price deepseek-v4.1-flash USD": "the facts have that of the peak; see the tiers"},
    "openrouter tiers": {
        "batch anthropic/claude-opus-5.5": OWN_ID,
        "batch google/gemini-4-argon": OWN_ID,
        "batch openai/gpt-6.1-sol": OWN_ID,
        "batch z-ai/glm-5.3": OWN_ID,
    },
    "zai": {
        "training zai/international": STRICTER,
        "price glm-4.7 CNY": "it rises with the prompt at lengths that nobody read",
    },
    "stepfun": {
        "max_output step-5-preview": STRICTER,
        "training stepfun-plan/international": SAME_POLICY,
        "training stepfun-plan/mainland": SAME_POLICY,
    },
    "MiniMax-H3 (video)": {
        "maker minimax-h3": "the company that publishes it is of Singapore, its group of China",
    },
    "Qwen-SEA-LION-v4-32B-IT, Gemma-SEA-LION-v4-27B-IT, Apertus-SEA-LION-v4-8B-IT, "
    "Llama-SEA-LION-v3.5-70B-R": {
        "maker qwen-sea-lion-v4-32b": BY_NAME,
        "maker gemma-sea-lion-v4-27b": BY_NAME,
        "maker apertus-sea-lion-v4-8b": BY_NAME,
        "maker llama-sea-lion-v3.5-70b": BY_NAME,
    },
}

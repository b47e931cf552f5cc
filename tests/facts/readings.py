"""How the words of the facts files are read: their keys, their phrases, what they call a wire.

Sentences about places are read here once, phrase by phrase; one that is not here is a difference
that the test reports, so that nobody's new finding is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping

# Key in the facts -> the catalogue's hosts that say the same; a plan is a host of its own.
HOSTS: Mapping[str, tuple[str, ...]] = {
    "openai": ("openai",),
    "anthropic": ("anthropic",),
    "google_ai_studio": ("google-ai-studio",),
    "google_vertex": ("google-vertex",),
    "xai": ("xai",),
    "aws_bedrock": ("amazon-bedrock",),
    "azure_foundry": ("azure-foundry",),
    "oracle_oci": ("oracle-oci",),
    "cohere": ("cohere",),
    "groq": ("groq",),
    "cerebras": ("cerebras",),
    "together": ("together-ai",),
    "fireworks": ("fireworks-ai",),
    "deepinfra": ("deepinfra",),
    "sambanova": ("sambanova",),
    "nvidia_nim": ("nvidia",),
    "github_models": ("github-models",),
    "github_copilot": ("github-copilot",),
    "perplexity": ("perplexity",),
    "cloudflare_workers_ai": ("cloudflare",),
    "mistral": ("mistral",),
    "scaleway": ("scaleway",),
    "ovhcloud": ("ovhcloud",),
    "ionos": ("ionos",),
    "nebius": ("nebius",),
    "infomaniak": ("infomaniak",),
    "stackit": ("stackit",),
    "berget": ("berget",),
    "aleph_alpha": ("aleph-alpha",),
    "sakana": ("sakana",),
    "inceptron": ("inceptron",),
    "regolo": ("regolo",),
    "t_systems": ("t-systems",),
    "evroc": ("evroc",),
    "openrouter": ("openrouter",),
    "opencode_zen": ("opencode-zen",),
    "opencode_go": ("opencode-go",),
    "vercel_ai_gateway": ("vercel",),
    "huggingface_router": ("huggingface",),
    "opper": ("opper",),
    "deepseek": ("deepseek",),
    "alibaba": (
        "alibaba",
        "alibaba-coding",
        "alibaba-token-plan",
        "alibaba-token-plan-team",
    ),
    "zai": ("zai", "zai-coding"),
    "moonshot": ("moonshot", "kimi-code"),
    "minimax": ("minimax", "minimax-plan"),
    "volcengine": ("volcengine", "volcengine-coding", "volcengine-agent"),
    "byteplus": ("byteplus",),
    "tencent": ("tencent", "tencent-coding", "tencent-token-plan"),
    "baidu_qianfan": ("baidu", "baidu-token-plan"),
    "stepfun": ("stepfun", "stepfun-plan"),
    "xiaomi_mimo": ("xiaomi-mimo", "xiaomi-mimo-plan"),
    "siliconflow": ("siliconflow",),
    "baichuan": ("baichuan",),
    "zero_one_ai": ("zero-one-ai",),
}
LOCAL: Mapping[str, str] = {
    "llama_cpp_server": "llama-cpp",
    "ollama": "ollama",
    "vllm": "vllm",
    "sglang": "sglang",
    "lm_studio": "lm-studio",
    "tgi": "tgi",
    "mlx_lm_server": "mlx",
    "transformers_serve": "transformers-serve",
    "lemonade": "lemonade",
    "bitnet_cpp": "bitnet",
}
# (key, plan's id) -> the host of that plan.
PLANS: Mapping[tuple[str, str], str] = {
    ("alibaba", "coding-plan-lite"): "alibaba-coding",
    ("alibaba", "coding-plan-pro"): "alibaba-coding",
    ("alibaba", "token-plan-personal"): "alibaba-token-plan",
    ("alibaba", "token-plan-team"): "alibaba-token-plan-team",
    ("zai", "glm-coding"): "zai-coding",
    ("zai", "glm-coding-team"): "zai-coding",
    ("moonshot", "kimi-code"): "kimi-code",
    ("minimax", "m-plan"): "minimax-plan",
    ("volcengine", "coding-plan"): "volcengine-coding",
    ("volcengine", "agent-plan"): "volcengine-agent",
    ("tencent", "coding-plan"): "tencent-coding",
    ("tencent", "token-plan-personal"): "tencent-token-plan",
    ("tencent", "hy-token-plan"): "tencent-token-plan",
    ("tencent", "token-plan-enterprise"): "tencent-token-plan",
    ("baidu_qianfan", "token-plan-personal"): "baidu-token-plan",
    ("stepfun", "step-plan"): "stepfun-plan",
    ("xiaomi_mimo", "token-plan-personal"): "xiaomi-mimo-plan",
}
# A contract's name -> whose it is and for which plan; "" is any entity, or no plan.
CONTRACTS: Mapping[str, tuple[str, str]] = {
    "": ("", ""),
    "payg": ("", ""),
    "payg_intl": ("intl", ""),
    "payg_mainland": ("mainland", ""),
    "coding_plan": ("", "coding"),
    "coding_plan_individual": ("intl", "coding"),
    "coding_plan_mainland": ("mainland", "coding"),
    "token_plan_personal_intl": ("intl", "token"),
    "token_plan_personal_mainland": ("mainland", "token"),
    "kimi_code": ("", "kimi_code"),
    "agent_plan": ("", "agent"),
    "step_plan": ("", "step_plan"),
}
# Contracts of hosts that share their addresses with another plan, or have none of their own there.
CONTRACT_HOSTS: Mapping[tuple[str, str], str] = {
    ("alibaba", "token_plan_team"): "alibaba-token-plan-team",
    ("minimax", "m_plan"): "minimax-plan",
}

# What is said of a host's state, where that does not begin with live.
STATUS: Mapping[str, str] = {
    "RETIRED 2026-07-30": "retired",
    "no public per-token API": "closed",
}

# How a format begins -> the wire; "" is none that the gateway speaks.
WIRES: Mapping[str, str] = {
    "openai_chat": "chat",
    "openai_responses": "responses",
    "openai_completions": "completions",
    "anthropic_messages": "messages",
    "gemini_generate_content": "gemini",
    "bedrock_converse": "converse",
    "cohere_v2_chat": "cohere",
    "cohere rerank": "rerank",
    "openai_batch": "",
    "openai_decisions": "",
    "decisions": "",
    "gemini_interactions": "",
    "grpc": "",
    "bedrock_invoke_model": "",
    "oci_native": "",
    "native": "",
    "dashscope_native": "",
    "ollama_native": "",
    "tgi_native": "",
    "ai_sdk_gateway": "",
    "conversations": "",
}
EVERYWHERE = ("completions", "embeddings", "rerank")

# What is said of where inference runs -> the countries; None is no promise.
PLACES: Mapping[str, tuple[str, ...] | None] = {
    # of an address
    "global": None,
    "us: storage and inference": ("US",),
    "eu (EEA + CH): storage and inference": ("EEA", "CH"),
    "ae: storage; inference for gpt-5.6-luna, gpt-5.5 and gpt-5.2 only": None,
    "global or us by inference_geo": None,
    "global (no residency)": None,
    "eu multi-region": ("EEA",),
    "us multi-region": ("US",),
    "single region, e.g. europe-west1": None,
    "global, location not guaranteed": None,
    "us; grok-4.7 and grok-4.6 only, +10 %": ("US",),
    "AWS region": None,
    "resource region": None,
    "legacy shape": None,
    "OCI region (OC1)": None,
    "EU Sovereign Central, Frankfurt (OC19)": ("DE",),
    "unknown": None,
    "unspecified": None,
    "North America; EU via dedicated": None,
    "same, older host": None,
    "same, OpenAI Responses client": None,
    "global: serverless is routed across all regions and cannot be pinned": None,
    "us-only serverless, with a US model id": ("US",),
    "us": ("US",),
    "individual; business/enterprise hosts differ and come with the token": None,
    "nearest Cloudflare GPU site, not pinnable": None,
    "AI Gateway proxy": None,
    "global endpoint (default)": None,
    "EU/EFTA inference, 1.1x price": ("EEA", "CH"),
    "US inference, 1.1x price": ("US",),
    "fr-par": ("FR",),
    "Gravelines, FR": ("FR",),
    "Berlin, DE": ("DE",),
    "PUBLIC SERVERLESS IS GLOBAL: may move with capacity; dedicated endpoints fixed to eu-north1, "
    "eu-west1 or us-central1": None,
    "Geneva, CH": ("CH",),
    "eu01, DE": ("DE",),
    "SE": ("SE",),
    "SE/EU": ("EEA",),
    "IT": ("IT",),
    "DE": ("DE",),
    "se-sto": ("SE",),
    "eu (EU/EEA, UK, CH providers); Business and Enterprise plans": ("EEA", "GB", "CH"),
    "us; Business and Enterprise plans": ("US",),
    "us-hosted models (2026-04 page)": ("US",),
    "same": None,
    "opencode_zen: same": ("US",),
    "ingress any Vercel region": None,
    "depends on provider suffix model:provider": None,
    "gateway in Stockholm (AWS eu-north-1); inference where the route runs": None,
    "CN": ("CN",),
    "CN mainland only": ("CN",),
    "CN (Guangzhou)": ("CN",),
    "CN by host name": None,
    "SG": ("SG",),
    "SG by host name": None,
    "NL by host name": None,
    'SG "generally" (DPA wording, not exclusive)': None,
    "International scope: any node EXCEPT Chinese mainland": None,
    "Global scope (any node INCLUDING Chinese mainland) or United States scope": None,
    "Global scope (INCLUDING Chinese mainland) or European Union scope": None,
    "Global scope (INCLUDING Chinese mainland) or Hong Kong scope": None,
    "Global scope (INCLUDING Chinese mainland) or Japan scope": None,
    # Nothing else is named, by the older page or the newer one.
    'MY / ID, "and/or the EU/EEA" (newer page)': ("EEA", "ID", "MY"),
}
AT_REST_ONLY = "STORAGE AT REST ONLY"
# What to take a silent contract for.
TREAT_AS: Mapping[str, str] = {"trains": "by_default", "may train": "by_default"}

# What the facts call some models -> the host's own id, where the facts did not capture that.
MODEL_IDS: Mapping[tuple[str, str], str] = {}

# Open weights -> their families.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Qwen3.6-27B": ("qwen3.6-27b",),
    "Qwen3.8-27B": ("qwen3.8-27b",),
    "Qwen3.8-2.4T-A95B": ("qwen3.8-max",),
    "Qwen3.8-Flash-Next": ("qwen3.8-flash-next",),
    "GLM-5.3": ("glm-5.3",),
    "GLM-5.3-Flash": ("glm-5.3-flash",),
    "GLM-5.2": ("glm-5.2",),
    "Kimi-K3": ("kimi-k3",),
    "Kimi-K2.6": ("kimi-k2.6",),
    "DeepSeek-V4-Pro": ("deepseek-v4-pro",),
    "DeepSeek-V4-Flash": ("deepseek-v4-flash",),
    "DeepSeek-V4.1-Flash": ("deepseek-v4.1-flash",),
    "MiniMax-M3": ("minimax-m3",),
    "MiniMax-M2.7": ("minimax-m2.7",),
    "MiniMax-H3 (video)": ("minimax-h3",),
    "MiMo-V2.5-Pro": ("mimo-v2.5-pro",),
    "MiMo-V2.6-Pro / Flash": ("mimo-v2.6-pro", "mimo-v2.6-flash"),
    "Hy3-preview": ("hy3-preview",),
    "Hy3": ("hy3",),
    "Step-3.7-Flash": ("step-3.7-flash",),
    "gpt-oss-20b": ("gpt-oss-20b",),
    "gpt-oss-120b": ("gpt-oss-120b",),
    "Gemma 4 31B and 26B-A4B": ("gemma-4-31b", "gemma-4-26b-a4b"),
    "Gemma 4 E2B / E4B": ("gemma-4-e2b", "gemma-4-e4b"),
    "Mistral Small 4 (119B)": ("mistral-small-4",),
    "Mistral Large 3": ("mistral-large-3",),
    "Mistral Medium 3.5 (128B)": ("mistral-medium-3.5",),
    "AfriqueQwen-14B": ("afriqueqwen-14b",),
    "bitnet-b1.58-2B-4T": ("bitnet-b1.58-2b-4t",),
    "gemma-3-270m": ("gemma-3-270m",),
    "SmolLM2-135M-Instruct": ("smollm2-135m",),
    "Phi-4": ("phi-4",),
    "Phi-4-mini-instruct": ("phi-4-mini",),
    "Phi-4-multimodal-instruct": ("phi-4-multimodal",),
    "Phi-4-reasoning / -plus": ("phi-4-reasoning", "phi-4-reasoning-plus"),
    "Phi-4-mini-reasoning": ("phi-4-mini-reasoning",),
    "Phi-4-mini-flash-reasoning": ("phi-4-mini-flash-reasoning",),
    "Phi-4-reasoning-vision-15B": ("phi-4-reasoning-vision-15b",),
    "Qwen-SEA-LION-v4.5-27B-IT": ("qwen-sea-lion-v4.5-27b",),
    "Gemma-SEA-LION-v4.5-E2B-IT": ("gemma-sea-lion-v4.5-e2b",),
    "Qwen-SEA-LION-v4-32B-IT, Gemma-SEA-LION-v4-27B-IT, Apertus-SEA-LION-v4-8B-IT, "
    "Llama-SEA-LION-v3.5-70B-R": (
        "qwen-sea-lion-v4-32b",
        "gemma-sea-lion-v4-27b",
        "apertus-sea-lion-v4-8b",
        "llama-sea-lion-v3.5-70b",
    ),
    "Apertus 8B / 70B (2509)": ("apertus-8b", "apertus-70b"),
    "Apertus v1.1 0.5B / 1.5B / 4B": (
        "apertus-v1.1-0.5b",
        "apertus-v1.1-1.5b",
        "apertus-v1.1-4b",
    ),
}

# A phrase about who answers for some models of a host -> each model and whose they are, by the key
# of the facts.
RUN_BY: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "azure_foundry": {
        "Claude in Foundry: Anthropic is the processor": {
            "claude-opus-5-5": "anthropic",
            "claude-sonnet-4-5": "anthropic",
        },
    },
    "oracle_oci": {
        "Gemini is reached over the Google interconnect": {
            "google.gemini-2.5-pro": "google_vertex",
        },
        "proprietary OpenAI models map to OpenAI-hosted endpoints": {"openai.gpt-5": "openai"},
    },
    "deepinfra": {
        "the proxied Google/Anthropic models": {
            "google/gemini-2.5-pro": "google_vertex",
            "anthropic/claude-4-sonnet": "anthropic",
        },
    },
    "github_copilot": {
        "OpenAI + GitHub Azure; Claude on AWS, Anthropic and GCP; Gemini on GCP": {
            "gpt-6.1-sol": "azure_foundry",
            "claude-opus-5.5": "anthropic",
            "gemini-3.8-flash": "google_vertex",
        },
    },
    "perplexity": {
        "third-party models on the Agent API follow their own vendors": {
            "anthropic/claude-opus-5-5": "anthropic",
            "openai/gpt-6-luna": "openai",
            "google/gemini-4-argon": "google_vertex",
            "xai/grok-4.7": "xai",
            "nobody/knows": "",
        },
    },
    "t_systems": {
        "the hub also forwards to GPT (Azure), Claude and Gemini (GCP)": {
            "gpt-4.1": "azure_foundry",
            "claude-sonnet-4": "google_vertex",
            "gemini-2.5-pro": "google_vertex",
            "text-nobody-knows": "",
        },
    },
}
# The end of a model's name at a router -> the key of the facts; "" is one that they do not have.
SUFFIXES: Mapping[str, str] = {
    "baseten": "",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepinfra": "deepinfra",
    "fal-ai": "",
    "featherless-ai": "",
    "fireworks-ai": "fireworks",
    "groq": "groq",
    "hf-inference": "",
    "novita": "",
    "nscale": "",
    "openai": "openai",
    "ovhcloud": "ovhcloud",
    "publicai": "",
    "replicate": "",
    "scaleway": "scaleway",
    "together": "together",
    "wavespeed": "",
    "zai-org": "zai",
}
# A phrase about the end of models -> each of them with its last day.
ENDS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "openai": {
        "gpt-5, gpt-5-mini, gpt-5-nano shut down 2026-12-11": {
            "gpt-5": "2026-12-11",
            "gpt-5-mini": "2026-12-11",
            "gpt-5-nano": "2026-12-11",
        },
    },
    "fireworks": {
        "litellm lists gpt-oss-120b and glm-5p3-flash-us as ended 2026-11-07": {
            "glm-5p3-flash-us": "2026-11-07",
        },
    },
    # The month alone is known: the last day of it.
    "cerebras": {"gone from the roster in 2026-09": {"gemma-4-31b": "2026-09-30"}},
    "deepseek": {
        "deepseek-chat, deepseek-reasoner ended 2026-07-24": {
            "deepseek-chat": "2026-07-24",
            "deepseek-reasoner": "2026-07-24",
        },
    },
    "moonshot": {
        "moonshot-v1-* and kimi-k2.5 on 2026-08-31": {
            "moonshot-v1-8k": "2026-08-31",
            "kimi-k2.5": "2026-08-31",
        },
    },
    "xiaomi_mimo": {
        "mimo-v2.5 and v2.5-pro offline 2026-10-21": {
            "mimo-v2.5": "2026-10-21",
            "mimo-v2.5-pro": "2026-10-21",
        },
    },
}

"""llama.cpp itself, in this process: what it says, and how it cuts text."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

CONTEXT = 512
# Of ggml_type and llama_flash_attn_type.
_FLOAT32, _OFF = 0, 0


def server_of(model: Path, lora: Path | None = None) -> Any:
    """A server of llama.cpp; it ends with the object."""
    xllamacpp = pytest.importorskip("xllamacpp")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.n_ctx = CONTEXT
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.warmup = False
    parameters.cache_type_k = parameters.cache_type_v = (
        _FLOAT32  # as transformers keeps them, lest ties break otherwise
    )
    parameters.flash_attn_type = _OFF
    parameters.verbosity = 0
    if lora is not None:
        adapter = xllamacpp.CommonAdapterLoraInfo()
        adapter.path, adapter.scale = str(lora), 1.0
        parameters.lora_adapters = [adapter]
    return xllamacpp.Server(parameters)


def asked_of_llama_cpp(
    model: Path, prompts: Sequence[list[int] | str], tokens: int = 16, lora: Path | None = None
) -> list[str]:
    """The likeliest answers of llama.cpp."""
    server = server_of(model, lora)
    asked = [{"prompt": prompt, "n_predict": tokens, "temperature": 0} for prompt in prompts]
    return [server.handle_completions(request)["choices"][0]["text"] for request in asked]


def cut_by_llama_cpp(model: Path, texts: Iterable[str]) -> list[list[int]]:
    """The tokens of texts, control tokens among them."""
    server = server_of(model)
    with httpx.Client(base_url=server.listening_address) as client:
        asked = [{"content": text, "add_special": True, "parse_special": True} for text in texts]
        return [client.post("/tokenize", json=request).json()["tokens"] for request in asked]

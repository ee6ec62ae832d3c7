"""How transformers holds a model, and that it stays quiet about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from assistant.errors import ModelError


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the loading bars and reports of transformers off a terminal that shows our own."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def quantisation(bits: str, dtype: Any) -> Any:
    """How transformers holds weights in fewer bits: ``8bit`` (LLM.int8, arXiv:2208.07339), else NF4 with double
    quantisation that computes in ``dtype`` (arXiv:2305.14314).
    """
    import transformers

    configuration: Any = transformers.BitsAndBytesConfig
    if bits == "8bit":
        return configuration(load_in_8bit=True)
    return configuration(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def parameters(folder: Path) -> int:
    """How many numbers the weights in a folder are; their files are not read. Raises ModelError."""
    from safetensors import SafetensorError, safe_open

    count = 0
    try:
        for file in folder.glob("*.safetensors"):
            with safe_open(file, "numpy") as weights:
                count += sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The weights in {folder} cannot be read: {error}.", "Fetch the model again.") from error
    return count

"""How transformers holds a model, and that it stays quiet about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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

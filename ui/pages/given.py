"""What a form sends for a job, by type and within bounds: a browser may send anything.

    @telling
    @checked
    def make_pairs(self, corpus: CorpusName, request: gr.Request) -> None: ...

So nothing else reaches the command line of a job, where every value stands behind its option's ``=`` or behind ``--``.
"""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, validate_call

from assistant.config import Settings
from assistant.errors import UsageError
from assistant.models import BUNDLED
from assistant.models.catalogue import catalogue
from assistant.workspace import safe_name
from ui.people import User

checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True))
"""Has a callback called with what its annotations say. Raises ValidationError, or the UsageError of a name."""

_NOTHING_CHOSEN = BeforeValidator(lambda value: "" if value is None else value)
CorpusName = Annotated[str, _NOTHING_CHOSEN, AfterValidator(lambda name: safe_name(name, "corpus"))]
AnyCorpusName = Annotated[str, _NOTHING_CHOSEN, AfterValidator(lambda name: name and safe_name(name, "corpus"))]
"""The name of a corpus, or empty: whichever fits."""
PairsName = Annotated[str, _NOTHING_CHOSEN, AfterValidator(lambda name: safe_name(name, "set of pairs"))]
AdapterName = Annotated[str, _NOTHING_CHOSEN, AfterValidator(lambda name: safe_name(name.strip(), "adapter"))]
Count = Annotated[int, BeforeValidator(lambda value: value or 0), Field(ge=0, le=1_000_000)]
Weight = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]

# No part begins with a dot: what looks like an id must not be a way out of a folder.
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)


def existing_corpus(name: str, names: tuple[str, ...]) -> str:
    """``name``. Raises UsageError for a corpus that there is not."""
    if name not in names:
        raise UsageError(f"There is no corpus '{name}'.", "Add documents to it first.")
    return name


def judges_of(settings: Settings) -> list[str]:
    """The models that may judge: whoever runs the assistant has named them."""
    return list(dict.fromkeys((settings.engine.model, *settings.eval.judges)))


def usable_base(name: str, user: User) -> str:
    """``name`` of a model to train on: ``bundled``, one of the catalogue, OWNER/NAME of the hub, or one that lies here.

    Raises UsageError for anything else; files and folders of the server are named by admins only.
    """
    if (
        name == BUNDLED
        or name in catalogue()
        or _HUB_ID.fullmatch(name)
        or (user.may("admin") and _is_model_here(name))
    ):
        return name
    raise UsageError(
        f"{name[:200]!r} is no model to train on.",
        f"Name '{BUNDLED}', a model of the catalogue or of the Hugging Face hub (OWNER/NAME), or, as an admin, a folder"
        " or GGUF file with a model.",
    )


def _is_model_here(name: str) -> bool:
    try:
        place = Path(name).expanduser()
        return (place / "config.json").is_file() or (place.suffix == ".gguf" and place.is_file())
    except (OSError, RuntimeError):
        return False  # too long for a path, or in the home of nobody

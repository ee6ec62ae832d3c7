"""Embedders and rerankers that run on servers, and how a model there is known again.

    POST /embeddings  {"model", "input": [text, …]}         →  {"data": [{"index", "embedding"}, …]}
    POST /rerank      {"model", "query", "documents": […]}  →  {"results": [{"index", "relevance_score"}, …]}
                      {"query", "texts": […]}               →  [{"index", "score"}, …]

The first is OpenAI's, as vLLM, TEI, llama.cpp and Ollama have it; the second is of Jina and Cohere, as vLLM and
llama.cpp have it; the third is of TEI. A model there has no files to compare: it is known by a vector.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from pydantic import AliasChoices, BaseModel, Field, FiniteFloat, TypeAdapter, ValidationError

from assistant.config import EmbedderSettings, RetrievalSettings
from assistant.errors import IdentityError
from assistant.retrieval.tokens import TokenCounter
from assistant.types import Vectors

if TYPE_CHECKING:
    from assistant.models.servers import Server

PROBE = "Children under 6 travel free on the 7:45 ferry; Fahrräder kosten 12,50 €."
"""By its vector a model is known again: two languages, figures and signs, which tokenizers cut differently."""
# The least cosine of its vectors by one model. Weights in 16 bits and other batches leave .999 of it.
_SAME = 0.995
# What TEI takes at once unless told otherwise.
_TEXTS_A_REQUEST = 32
_REQUESTS_AT_ONCE = 4


class _Embedding(BaseModel):
    index: int
    embedding: list[FiniteFloat]


class _Embeddings(BaseModel):
    data: list[_Embedding]


class Encoder:
    """Vectors from servers that speak OpenAI's protocol, by a few requests at a time.

    Each request has the probe behind its texts: a server that runs another model now, or one of several that runs
    another than the others, gives itself away with the first reply.
    """

    def __init__(self, settings: EmbedderSettings, tokens: TokenCounter) -> None:
        """Raises ConfigError for an address or a key that cannot be used."""
        from assistant.models.servers import Server, ServerPool, embedder_access

        self._model = settings.model
        self._tokens = tokens
        self._servers = ServerPool(embedder_access(settings), Server)
        self._probe: Vectors | None = None
        self._lock = Lock()

    def __call__(self, texts: list[str], prompt: str, is_question: bool) -> Vectors:  # noqa: ARG002 - one model for both
        sent = [self._tokens.cut(prompt + text) for text in texts]
        texts_of_ours = _TEXTS_A_REQUEST - 1
        requests = [sent[first : first + texts_of_ours] for first in range(0, len(sent), texts_of_ours)]
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as beside:
            return np.concatenate(list(beside.map(self._embedded, requests)))

    def _embedded(self, texts: list[str]) -> Vectors:
        def once(server: "Server") -> Vectors:
            vectors = self._reply(server, [*texts, PROBE])
            self._recognise(server, vectors[-1])
            return vectors[:-1]

        return self._servers.call(once)

    def _reply(self, server: "Server", texts: list[str]) -> Vectors:
        """Vectors (n, dimension) of length 1 of texts, in order."""
        content = server.reply("embeddings", {"model": self._model, "input": texts})
        try:
            rows = sorted(_Embeddings.model_validate_json(content).data, key=lambda row: row.index)
        except ValidationError:
            server.complain("what it sent holds no vectors")
        lengths = {len(row.embedding) for row in rows}
        if [row.index for row in rows] != list(range(len(texts))) or len(lengths) != 1:
            server.complain(f"of {len(texts)} texts it sent {len(rows)} vectors, of lengths {sorted(lengths)[:3]}")
        vectors = np.array([row.embedding for row in rows])
        # In 32 bits a number may be infinite, and a length zero, that is neither in 64.
        with np.errstate(over="ignore"):
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not bool(np.all((norms > 1e-12) & np.isfinite(norms))):
            server.complain("a vector that it sent has no length")
        unit: Vectors = (vectors / norms).astype(np.float32)
        return unit

    def _recognise(self, server: "Server", vector: Vectors) -> None:
        with self._lock:
            before = self._probe = vector if self._probe is None else self._probe
        cosine = float(before @ vector) if len(before) == len(vector) else 0.0
        if not cosine >= _SAME:
            raise IdentityError(
                f"{server.url} runs another model as {self._model} than before: of one text it gives {len(vector)}"
                f" numbers, before {len(before)}, and their cosine is {cosine:.3f} (of one model {_SAME} or more).",
                "Bring that model back; or start this program again, then run: assistant ingest --rebuild",
            )


def sketch(vector: Vectors) -> str:
    """16 bytes in hex that are like those of any vector like it, and of no other: of a unit vector, what it is along 16
    random directions (Achlioptas, Database-friendly random projections, 2003), in steps of 1/32."""
    bits = np.frombuffer(hashlib.shake_128(b"sketch").digest(2 * len(vector)), np.uint8)
    directions = 2.0 * np.unpackbits(bits).reshape(16, len(vector)) - 1.0
    steps = np.clip(np.round(32 * directions @ vector), -127, 127)
    return steps.astype(np.int8).tobytes().hex()


def are_near(one: str, other: str) -> bool:
    """Whether two sketches are of vectors with a cosine of about ``_SAME`` or more."""
    steps = [np.frombuffer(bytes.fromhex(hexadecimal), np.int8) / 32 for hexadecimal in (one, other)]
    # Along a random direction, squares of differences are on average that between the vectors, 2 (1 - cosine).
    return float(np.mean((steps[0] - steps[1]) ** 2)) <= 2 * (1 - _SAME)


class _Score(BaseModel):
    index: int
    score: FiniteFloat = Field(validation_alias=AliasChoices("relevance_score", "score"))


class _Scores(BaseModel):
    results: list[_Score]


_RERANKED: TypeAdapter[_Scores | list[_Score]] = TypeAdapter(_Scores | list[_Score])


class ServedReranker:
    """A reranker on servers. They are asked in the form of TEI as well, where they find fault with the other one."""

    def __init__(self, settings: RetrievalSettings) -> None:
        """Raises ConfigError for an address or a key that cannot be used."""
        from assistant.models.servers import Server, ServerPool, reranker_access

        self._model = {"model": settings.reranker} if settings.reranker else {}
        self._servers = ServerPool(reranker_access(settings), Server)
        self._is_tei: dict[Server, bool] = {}
        """Whether each understands TEI's form alone; nothing of it before its first reply."""

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """How well each passage answers the question; higher is better, the scale is the model's.

        Raises ModelError for a server that does not answer, refuses or talks nonsense.
        """
        found: list[float] = []
        for first in range(0, len(passages), _TEXTS_A_REQUEST):
            portion = passages[first : first + _TEXTS_A_REQUEST]
            found += self._servers.call(partial(self._once, question, portion))
        return found

    def _once(self, question: str, passages: Sequence[str], server: "Server") -> list[float]:
        from assistant.models.servers import RefusedError

        as_jina = {**self._model, "query": question, "documents": list(passages)}
        as_tei = {"query": question, "texts": list(passages), "truncate": True}
        try:
            content = server.reply("rerank", as_tei if self._is_tei.get(server) else as_jina)
        except RefusedError as refusal:
            if server in self._is_tei:
                raise
            try:
                content = server.reply("rerank", as_tei)
            except RefusedError:
                raise refusal from None
            self._is_tei[server] = True
        self._is_tei.setdefault(server, False)
        try:
            reply = _RERANKED.validate_json(content)
        except ValidationError:
            server.complain("what it sent holds no scores")
        scores = {one.index: one.score for one in (reply.results if isinstance(reply, _Scores) else reply)}
        if scores.keys() != set(range(len(passages))):
            server.complain(f"of {len(passages)} passages it scored {len(scores)}")
        return [scores[index] for index in range(len(passages))]

"""Embedders and rerankers on servers: the same results as here, known again, and what is told when they fail."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run
from endpoint import Endpoint, Reply, serving
from fakes import FakeEmbedder
from numpy.typing import NDArray

from assistant import models
from assistant.config import DeviceSettings, EmbedderSettings, RetrievalSettings, Settings
from assistant.errors import AssistantError, ConfigError, IdentityError, ModelError
from assistant.retrieval import embedder as embedder_module
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.retriever import JointRetriever, Retriever
from assistant.retrieval.served import PROBE, ServedReranker, are_near, sketch
from assistant.retrieval.tokens import ESTIMATE, TokenCounter
from assistant.store.catalog import Catalog
from assistant.types import Vectors
from assistant.workspace import Workspace
from ingest.pipeline import ingest

FILES = {
    "hail.md": "# Hail\n\nHail damage to the roof is covered. The deductible is 150 euros.",
    "flood.md": "# Flood\n\nFlood damage is covered after a waiting period of 30 days.",
    "hagel.md": "# Hagel\n\nHagelschäden am Dach sind versichert. Der Selbstbehalt beträgt 150 Euro.",
    "rules.md": "# Rules\n\n" + " ".join(f"Rule {n}: tiles are looked at every {n} years." for n in range(90)),
}
QUESTIONS = (
    "What is the deductible for hail?",
    "How long is the waiting period?",
    "Was kostet Hagel?",
    "tiles " * 600,
)
KEY = "sk-a-secret-of-ours"
Vectorise = Callable[[Sequence[str]], NDArray[np.floating[Any]]]


@pytest.fixture(scope="module")
def local() -> Embedder:
    return Embedder(EmbedderSettings(), DeviceSettings(dtype="float32"))


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder_module._opened.cache_clear()
    for name in ("ENGINE", "EMBEDDER", "RERANKER"):
        monkeypatch.delenv(f"ASSISTANT_{name}_KEY", raising=False)


@pytest.fixture
def minilm(local: Embedder) -> Iterator[Endpoint]:
    """The bundled embedder behind an address."""
    with serving() as endpoint:
        runs(endpoint, local.embed_texts)
        yield endpoint


def runs(endpoint: Endpoint, vectorise: Vectorise) -> None:
    """Vectors of any length, the last one first, as the protocol allows."""

    def embeddings(request: dict[str, Any]) -> Any:
        vectors = 3 * vectorise(request["input"])
        return {"data": [{"index": n, "embedding": v.tolist()} for n, v in reversed(list(enumerate(vectors)))]}

    endpoint.computes["embeddings"] = embeddings


def other_model(texts: Sequence[str]) -> Vectors:
    return FakeEmbedder(dimension=384).embed_texts(texts)


def settings_at(*urls: str, model: str = "minilm", **embedder: object) -> Settings:
    values = {"model": model, "url": ",".join(urls), "attempts": 1, **embedder}
    return Settings.model_validate(
        {"embedder": values, "ingest": {"calibrate": False, "workers": 1}, "device": {"dtype": "float32"}}
    )


def embedder_at(*urls: str, **values: Any) -> Embedder:
    settings = settings_at(*urls, **values)
    return Embedder(settings.embedder, settings.device)


def filled(docs: Path) -> Path:
    for name, text in FILES.items():
        (docs / name).write_text(text, encoding="utf-8")
    return docs


def hits(workspace: Workspace, corpus: str, settings: Settings) -> list[list[tuple[str, int, float]]]:
    with closing(Catalog(workspace.corpus(corpus))) as catalog:
        embedder = Embedder(settings.embedder, settings.device)
        retriever = Retriever(catalog, embedder, settings.retrieval, settings.device)
        return [[(one.document, one.start, one.score) for one in retriever.search(question)] for question in QUESTIONS]


def assert_equal(some: list[list[tuple[str, int, float]]], others: list[list[tuple[str, int, float]]]) -> None:
    for one, other in zip(some, others, strict=True):
        assert [hit[:2] for hit in one] == [hit[:2] for hit in other]
        assert [hit[2] for hit in one] == pytest.approx([hit[2] for hit in other], abs=1e-3)


def failure(kind: type[AssistantError], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line and len(line) < 800 and KEY not in line and caught.value.remedy
    return line


def test_a_corpus_that_a_server_has_embedded_gives_the_hits_of_the_same_model_here(
    workspace: Workspace, docs: Path, minilm: Endpoint
) -> None:
    folder = str(models.embedder_folder(models.BUNDLED))  # its tokenizer is here, so windows are the same
    served = settings_at(minilm.url, model=folder)
    here = Settings.model_validate({**served.model_dump(), "embedder": {}})
    ingest(workspace, "served", [filled(docs)], served)
    ingest(workspace, "here", [docs], here)
    of_server = hits(workspace, "served", served)
    assert_equal(of_server, hits(workspace, "here", here))
    assert len({document for one in of_server for document, *_ in one}) == len(FILES)
    asked = len(minilm.requests)
    assert_equal(of_server, hits(workspace, "served", here))
    assert len(minilm.requests) == asked, "the same model in this process needs no server"


def test_another_model_behind_the_same_name_is_noticed_and_a_rebuild_takes_it(
    workspace: Workspace, docs: Path, minilm: Endpoint
) -> None:
    settings = settings_at(minilm.url)
    ingest(workspace, "default", [filled(docs)], settings)
    before = hits(workspace, "default", settings)
    runs(minilm, other_model)
    for attempt in (
        lambda: hits(workspace, "default", settings),
        lambda: ingest(workspace, "default", [docs], settings),
    ):
        line = failure(IdentityError, attempt)
        assert line.count("minilm (served-384-") == 2 and "--rebuild --corpus default" in line
    with closing(Catalog(workspace.corpus("default"))) as catalog:
        line = failure(IdentityError, lambda: embedder_module.embedder_of(catalog, FakeEmbedder()))
        assert "There is no model folder minilm" in line and "set embedder.url to a server that runs it" in line
    ingest(workspace, "default", [], settings, rebuild=True)
    assert hits(workspace, "default", settings) != before


def test_a_model_that_is_exchanged_while_it_is_used_is_noticed_with_the_next_reply(
    minilm: Endpoint, local: Embedder
) -> None:
    embedder = embedder_at(minilm.url)
    right = embedder.embed_question("hail")
    for vectorise, said in ((other_model, "384 numbers, before 384"), (FakeEmbedder().embed_texts, "64 numbers")):
        runs(minilm, vectorise)
        line = failure(IdentityError, lambda: embedder.embed_question("hail"))
        assert said in line and minilm.url in line and "as minilm" in line
    runs(minilm, local.embed_texts)
    assert np.allclose(embedder.embed_question("hail"), right, atol=1e-5), "it has come back"


def test_numbers_too_large_for_32_bits_are_the_same_vectors(minilm: Endpoint, local: Embedder) -> None:
    runs(minilm, lambda texts: local.embed_texts(texts).astype(np.float64) * 1e39)
    vectors = embedder_at(minilm.url).embed_texts(["hail", "flood"])
    assert np.allclose(vectors, local.embed_texts(["hail", "flood"]), atol=1e-5)


def test_one_of_several_servers_that_runs_another_model_is_noticed(minilm: Endpoint) -> None:
    with serving() as endpoint:
        runs(endpoint, other_model)
        line = failure(IdentityError, lambda: embedder_at(minilm.url, endpoint.url).embed_texts(["hail"] * 100))
    assert "runs another model" in line


def test_what_rounding_changes_is_one_model_and_the_corpus_keeps_its_fingerprint(
    workspace: Workspace, docs: Path, minilm: Endpoint, local: Embedder
) -> None:
    settings, noise = settings_at(minilm.url), np.random.default_rng(5)
    ingest(workspace, "default", [filled(docs)], settings)
    before = hits(workspace, "default", settings)

    def in_16_bits(texts: Sequence[str]) -> Vectors:
        vectors = local.embed_texts(texts)
        return (vectors + noise.normal(0, 0.03 / 384**0.5, vectors.shape)).astype(np.float32)

    runs(minilm, in_16_bits)
    again = embedder_at(minilm.url)
    with closing(Catalog(workspace.corpus("default"))) as catalog:
        identity = catalog.identity()
        assert identity and again.fingerprint != identity.fingerprint and again.made(identity.fingerprint)
        assert embedder_module.embedder_of(catalog, again).fingerprint == identity.fingerprint
    asked = len(minilm.requests)
    assert ingest(workspace, "default", [docs], settings).counts == {"unchanged": len(FILES)}
    sent = [text for request in minilm.requests[asked:] for text in request["input"]]
    assert set(sent) == {PROBE}, "nothing is embedded again"
    assert [[hit[0] for hit in one[:1]] for one in hits(workspace, "default", settings)] == [
        [hit[0] for hit in one[:1]] for one in before
    ]


@pytest.mark.parametrize(("cosine", "near"), [(1.0, True), (0.999, True), (0.97, False), (0.0, False)])
def test_sketches_are_near_where_vectors_are(cosine: float, near: bool) -> None:
    random = np.random.default_rng(3)
    for dimension in (64, 384, 1001, 4096):
        one, other = (vector / np.linalg.norm(vector) for vector in random.normal(size=(2, dimension)))
        across = other - (other @ one) * one
        like = cosine * one + (1 - cosine**2) ** 0.5 * across / np.linalg.norm(across)
        assert are_near(sketch(one.astype(np.float32)), sketch(like.astype(np.float32))) is near
        assert len(sketch(one)) == 32


def test_prefixes_are_part_of_what_is_embedded_and_of_the_fingerprint(minilm: Endpoint, local: Embedder) -> None:
    prefixed = embedder_at(minilm.url, query_prefix="query: ", document_prefix="passage: ")
    assert np.allclose(prefixed.embed_question("hail"), local.embed_question("query: hail"), atol=1e-4)
    assert np.allclose(prefixed.embed_texts(["hail"]), local.embed_texts(["passage: hail"]), atol=1e-4)
    plain = embedder_at(minilm.url)
    assert not plain.made(prefixed.fingerprint) and not prefixed.made(plain.fingerprint)
    of_catalogue = embedder_at(minilm.url, model="intfloat/multilingual-e5-small")
    assert of_catalogue.fingerprint.endswith("-query: |passage: ") and of_catalogue.understands("de")


def test_vectors_have_unit_length_and_come_in_order_by_requests_of_bounded_size(
    minilm: Endpoint, local: Embedder
) -> None:
    texts = [f"Rule {n} of {'many ' * (n % 7)}" for n in range(200)] + ["tiles and gutters " * 2000]
    vectors = embedder_at(minilm.url, model=str(local.folder)).embed_texts(texts)
    assert np.allclose(vectors, local.embed_texts(texts), atol=1e-4)
    assert max(len(request["input"]) for request in minilm.requests) == 32
    assert 1 < minilm.most_at_once <= 4
    longest = max(local.tokens.count(text) for request in minilm.requests for text in request["input"])
    assert longest + local.tokens.special_tokens == local.tokens.window, "longer texts are cut as they are here"


def test_tokens_are_estimated_where_the_tokenizer_is_not_here(local: Embedder) -> None:
    embedder = embedder_at("http://127.0.0.1:9/v1", model="some-owner/some-model")
    assert embedder.folder == ESTIMATE and embedder.tokens.window == 512
    assert embedder.tokens.count("Die Straße, 12 €") == 1 + 2 + 1 + 2 + 1
    assert embedder.tokens.count("保险条款") == 4
    for text in (*FILES.values(), *QUESTIONS):
        assert embedder.tokens.count(text) >= 0.85 * local.tokens.count(text)
    assert len(embedder.tokens.cut("tiles " * 600)) < 600 * 6 <= len(local.tokens.cut("tiles " * 600)) * 10
    with_tokenizer = embedder_at("http://127.0.0.1:9/v1", model=str(local.folder))
    assert with_tokenizer.tokens == TokenCounter(local.folder)


def test_a_server_that_fails_during_an_ingest_harms_nothing_and_the_next_one_goes_on(
    workspace: Workspace, docs: Path, minilm: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.pipeline._EMBED_WINDOWS", 1)
    settings = settings_at(minilm.url)
    (docs / "hail.md").write_text(FILES["hail.md"])
    ingest(workspace, "default", [docs], settings)
    before = hits(workspace, "default", settings)
    filled(docs)
    minilm.replies[:] = [Reply(), Reply(), Reply("out of memory", 500)]
    line = failure(ModelError, lambda: ingest(workspace, "default", [docs], settings))
    assert "out of memory" in line and "embedder.url" in line
    minilm.replies[:] = [Reply()]
    assert hits(workspace, "default", settings) == before
    asked = len(minilm.requests)
    assert ingest(workspace, "default", [docs], settings).counts["added"] == 3
    sent = [text for request in minilm.requests[asked:] for text in request["input"] if text != PROBE]
    assert sent and not any("waiting period" in text for text in sent), "what was embedded is not embedded again"


def test_a_busy_server_is_asked_again_and_one_that_is_down_is_told_in_one_line(minilm: Endpoint) -> None:
    minilm.replies[:] = [
        Reply("later", 429, {"Retry-After": "0"}),
        Reply("starting", 503, {"Retry-After": "0"}),
        Reply(),
    ]
    assert embedder_at(minilm.url, attempts=3).dimension == 384
    line = failure(ModelError, embedder_at("http://127.0.0.1:9/v1").load)
    assert "http://127.0.0.1:9/v1 did not answer" in line and "embedder.url" in line
    minilm.replies[:] = [Reply(seconds=1)]
    line = failure(ModelError, embedder_at(minilm.url, timeout_seconds=0.1).load)
    assert "embedder.timeout_seconds" in line


def test_a_silent_server_holds_up_nobody_who_asks_another(minilm: Endpoint) -> None:
    begun, may_answer = threading.Event(), threading.Event()

    def waits(request: dict[str, Any]) -> Any:
        begun.set()
        may_answer.wait(20)
        return minilm.computes["embeddings"](request)

    with serving() as silent, ThreadPoolExecutor(2) as threads:
        silent.computes["embeddings"] = waits
        of_silent = threads.submit(lambda: embedder_at(silent.url).fingerprint)
        assert begun.wait(20)
        healthy = embedder_at(minilm.url)
        fingerprint = threads.submit(lambda: (healthy.fingerprint, healthy.dimension)).result(10)[0]
        assert not of_silent.done()
        may_answer.set()
        assert of_silent.result(20) == fingerprint


def test_a_reply_that_drips_and_one_that_is_compressed_are_given_up(minilm: Endpoint) -> None:
    minilm.computes["embeddings"] = lambda _: Reply(raw=" " * 1000, pause=0.02)
    started = time.monotonic()
    line = failure(ModelError, embedder_at(minilm.url, timeout_seconds=0.3).load)
    assert "did not end its reply in 0.3 s" in line and time.monotonic() - started < 5
    minilm.computes["embeddings"] = lambda _: Reply(raw="bomb", headers={"Content-Encoding": "gzip"})
    assert "compressed" in failure(ModelError, embedder_at(minilm.url).load)
    assert minilm.headers[-1]["Accept-Encoding"] == "identity"


def test_a_first_ingest_without_its_server_leaves_no_corpus(workspace: Workspace, docs: Path) -> None:
    failure(ModelError, lambda: ingest(workspace, "new", [filled(docs)], settings_at("http://127.0.0.1:9/v1")))
    assert not workspace.corpus("new").exists()


def test_a_corpus_that_runs_here_under_its_own_name_is_not_looked_for_on_a_server(
    workspace: Workspace, docs: Path, minilm: Endpoint
) -> None:
    here = Settings.model_validate({**settings_at(minilm.url).model_dump(), "embedder": {}})
    ingest(
        workspace, "default", [filled(docs)], settings_at(minilm.url, model=str(models.embedder_folder(models.BUNDLED)))
    )
    (docs / "new.md").write_text("# Storm\n\nStorm damage is covered.")
    ingest(workspace, "default", [docs], here)
    with closing(Catalog(workspace.corpus("default"))) as catalog, serving() as other:
        assert (identity := catalog.identity()) and identity.embedder == models.BUNDLED
        runs(other, other_model)
        own = embedder_module.embedder_of(catalog, embedder_at(other.url, model="another"))
    assert own.settings.model == models.BUNDLED and not own.settings.url


def test_corpora_of_a_server_and_of_the_same_model_here_are_searched_together_in_any_order(
    workspace: Workspace, docs: Path, minilm: Endpoint
) -> None:
    served = settings_at(minilm.url)
    here = Settings.model_validate({**served.model_dump(), "embedder": {}})
    ingest(workspace, "served", [filled(docs)], served)
    ingest(workspace, "here", [docs], here)
    for names in (("served", "here"), ("here", "served")):
        for settings in (served, here):
            with ExitStack() as stack:
                catalogs = [stack.enter_context(closing(Catalog(workspace.corpus(name)))) for name in names]
                embedder = Embedder(settings.embedder, settings.device)
                parts = [Retriever(one, embedder, settings.retrieval, settings.device) for one in catalogs]
                assert JointRetriever(parts).search(QUESTIONS[0])[0].document == "hail.md"


NONSENSE: tuple[Any, ...] = (
    {"data": []},
    {"data": [{"index": 0, "embedding": [1.0, 2.0]}]},
    {"data": [{"index": n, "embedding": [1.0] * (2 + n)} for n in range(2)]},
    {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]},
    {"data": [{"index": n, "embedding": [1.0, None]} for n in range(2)]},
    {"data": [{"index": n, "embedding": [0.0, 0.0]} for n in range(2)]},
    {"data": [{"index": n, "embedding": [1e-300, 0.0]} for n in range(2)]},
    {"data": [{"index": n, "embedding": [1e200, 1e200]} for n in range(2)]},
    [],
    "<html>",
)


@pytest.mark.parametrize("reply", NONSENSE, ids=str)
def test_what_holds_no_vectors_is_one_line(minilm: Endpoint, reply: Any) -> None:
    minilm.computes["embeddings"] = lambda _: Reply(raw=reply if isinstance(reply, str) else json.dumps(reply))
    line = failure(ModelError, embedder_at(minilm.url).load)
    assert "does not speak OpenAI's protocol" in line and "embedder.url" in line


@pytest.mark.parametrize("from_file", [True, False])
def test_each_server_gets_its_own_key_and_no_other(
    minilm: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_file: bool
) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("ASSISTANT_ENGINE_KEY", "of-the-engine")
    monkeypatch.setenv("ASSISTANT_EMBEDDER_KEY", "of-nobody" if from_file else KEY)
    embedder = embedder_at(minilm.url, key_file=str(tmp_path / "key") if from_file else "")
    embedder.load()
    assert minilm.headers[-1]["Authorization"] == f"Bearer {KEY}"
    minilm.replies[:] = [Reply(f"wrong key {KEY}", 401)]
    line = failure(ModelError, lambda: embedder.embed_question("hail"))
    assert "embedder.key_file" in line and "ASSISTANT_EMBEDDER_KEY" in line
    monkeypatch.setenv("ASSISTANT_EMBEDDER_KEY", 'sk-"of\\ours')
    minilm.replies[:] = [Reply(raw=json.dumps({"error": ['wrong key sk-"of\\ours']}), status=401)]
    assert "of" not in failure(ModelError, embedder_at(minilm.url).load).split("[")[1].split("]")[0]
    ranked(minilm, "documents")
    minilm.replies[:] = [Reply()]
    reranker_at(minilm.url).scores("hail", ["hail"])
    assert "Authorization" not in minilm.headers[-1]


@pytest.mark.parametrize(
    "values",
    [
        {"url": "ftp://a/v1"},
        {"url": "a/v1"},
        {"url": "http://a..b/v1"},
        {"url": "http://xn--/v1"},
        {"url": f"http://me:{KEY}@a/v1"},
        {"model": "bundled"},
        {"model": ""},
    ],
    ids=str,
)
def test_an_address_that_is_none_and_a_server_without_a_model_are_refused(values: dict[str, str]) -> None:
    settings = {"model": "minilm", "url": "http://127.0.0.1:9/v1", **values}
    settings = {name: value for name, value in settings.items() if value}
    assert "embedder." in failure(
        ConfigError, lambda: Embedder(EmbedderSettings.model_validate(settings), DeviceSettings()).load()
    )


def ranked(endpoint: Endpoint, field: str) -> None:
    """Texts score by their length, the best one first: as Jina and Cohere, or as TEI, which knows its own field."""

    def rerank(request: dict[str, Any]) -> Any:
        if field not in request:
            return Reply(f"missing field {field}", 422)
        if len(request[field]) > 32:
            return Reply("batch size > maximum allowed", 413)
        name = {"documents": "relevance_score", "texts": "score"}[field]
        scores = [{"index": n, name: float(len(text))} for n, text in enumerate(request[field])]
        scores.sort(key=lambda one: -one[name])
        return {"results": scores} if field == "documents" else scores

    endpoint.computes["rerank"] = rerank


def reranker_at(url: str, model: str = "", **values: object) -> ServedReranker:
    settings = {"reranker": model, "reranker_url": url, "reranker_attempts": 1, **values}
    return ServedReranker(RetrievalSettings.model_validate(settings))


@pytest.mark.parametrize(("field", "refused"), [("documents", 0), ("texts", 1)])
def test_a_reranker_is_asked_in_the_form_that_it_understands(minilm: Endpoint, field: str, refused: int) -> None:
    ranked(minilm, field)
    passages = ["x" * (n * 7 % 50 + 1) for n in range(50)]
    reranker = reranker_at(minilm.url, model="bge")
    for _ in range(2):
        assert reranker.scores("hail", passages) == [float(len(passage)) for passage in passages]
    assert len(minilm.requests) == 2 * 2 + refused, "the other form is tried once"
    assert minilm.requests[0]["model"] == "bge" and minilm.requests[0]["query"] == "hail"


def test_a_reranker_that_refuses_both_forms_tells_its_first_reason_in_one_line(minilm: Endpoint) -> None:
    minilm.computes["rerank"] = lambda request: Reply("512 at most" if "documents" in request else "no such field", 400)
    line = failure(ModelError, lambda: reranker_at(minilm.url).scores("hail", ["a"]))
    assert "512 at most" in line and "retrieval.reranker" in line


@pytest.mark.parametrize(
    "reply",
    [
        [],
        {"results": []},
        [{"index": 1, "score": 0.5}],
        [{"index": 0}],
        [{"index": 0, "score": None}],
        {"results": [{"index": 0, "relevance_score": "NaN"}]},
        {"error": "x"},
    ],
    ids=str,
)
def test_what_holds_no_scores_is_one_line(minilm: Endpoint, reply: Any) -> None:
    minilm.computes["rerank"] = lambda _: reply
    line = failure(ModelError, lambda: reranker_at(minilm.url).scores("hail", ["a"]))
    assert "the protocol of rerankers" in line and "retrieval.reranker_url" in line


def test_models_of_a_server_that_the_catalogue_knows_are_not_fetched(
    workspace: Workspace,
    docs: Path,
    minilm: Endpoint,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fetched(*_: object) -> None:
        raise AssertionError("it is on the server")

    for name in ("fetch", "embedder_folder"):
        monkeypatch.setattr(models, name, fetched)
    ranked(minilm, "documents")
    values = {
        "embedder.url": minilm.url,
        "embedder.model": "multilingual-e5-small",
        "retrieval.reranker_url": minilm.url,
        "retrieval.reranker": "some-owner/some-reranker",
        "ingest.calibrate": "false",
    }
    sets = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    place = ["--json", "--workspace", str(workspace.root), *sets]
    assert run(capsys, "ingest", str(filled(docs)), *place)[0] == 0
    assert json.loads(run(capsys, "search", "hail", *place)[1])["hits"][0]["document"] == "rules.md"
    assert {"model": "multilingual-e5-small"}.items() <= minilm.requests[0].items()
    assert minilm.requests[-1]["model"] == "some-owner/some-reranker"


def test_the_command_searches_and_reranks_over_http_and_doctor_tells_of_both(
    workspace: Workspace, docs: Path, minilm: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    ranked(minilm, "texts")
    minilm.models, minilm.replies = [{"id": "base-model"}], [Reply("Yes.")]
    ingest(workspace, "default", [filled(docs)], settings_at(minilm.url))
    place = ["--json", "--workspace", str(workspace.root)]
    place += ["--set", f"engine.url={minilm.url}", "--set", "engine.model=base-model"]
    sets = ["--set", f"embedder.url={minilm.url}", "--set", "embedder.model=minilm"]
    reranked = ["--set", f"retrieval.reranker_url={minilm.url}"]
    found, best = (
        json.loads(run(capsys, "search", "hail", *place, *sets, *more)[1])["hits"] for more in ([], reranked)
    )
    assert found[0]["document"] == "hail.md" and best[0]["document"] == "rules.md"
    assert [hit["score"] for hit in best] == sorted((hit["score"] for hit in best), reverse=True)
    findings = {one["name"]: one for one in json.loads(run(capsys, "doctor", *place, *sets, *reranked)[1])}
    assert findings["embedder"]["severity"] == findings["reranker"]["severity"] == "ok"
    assert findings["corpus default"]["severity"] == "ok" and minilm.url in findings["embedder"]["message"]
    assert not {"embedder address", "reranker address"} & findings.keys()
    away = ["--set", "embedder.url=http://192.0.2.1/v1", "--set", "embedder.model=m", "--set", "embedder.attempts=1"]
    away += ["--set", "embedder.timeout_seconds=0.3", "--set", "retrieval.reranker_url=https://192.0.2.1"]
    away += ["--set", "retrieval.reranker_attempts=1", "--set", "retrieval.reranker_timeout_seconds=0.3"]
    findings = {one["name"]: one for one in json.loads(run(capsys, "doctor", *place, *away)[1])}
    assert findings["embedder"]["severity"] == findings["reranker"]["severity"] == "error"
    assert (
        findings["embedder address"]["message"]
        == "documents and questions are sent to http://192.0.2.1/v1, unencrypted"
    )
    assert findings["reranker address"]["message"] == "questions and passages are sent to https://192.0.2.1"
    wrong = ["--set", "embedder.url=http://a..b", "--set", "embedder.model=m", "--set"]
    wrong += ["retrieval.reranker_url=https://192.0.2.1"]
    findings = {one["name"]: one for one in json.loads(run(capsys, "doctor", *place, *wrong)[1])}
    assert findings["embedder address"]["severity"] == "error" and findings["reranker address"]["severity"] == "warning"

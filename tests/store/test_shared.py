"""A corpus that several machines read: all of a publish or nothing, whatever is killed, and the whole way back."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import lance
import numpy as np
import pytest
from commands import run
from fakes import FakeEmbedder
from moto.server import ThreadedMotoServer
from serving import post

from assistant.config import Settings, StoreSettings
from assistant.errors import IngestError, UsageError, WorkspaceError
from assistant.service import Service, open_corpus, with_shared
from assistant.store import lance as lance_module
from assistant.store import shared as shared_module
from assistant.store.catalog import Catalog
from assistant.store.index import CorpusIdentity
from assistant.store.lance import LanceIndex, Shared
from assistant.store.shared import bring, held_at, held_in
from assistant.store.sql import FileRow
from assistant.types import Block, Chunk, Document, Filter
from assistant.workspace import Workspace
from eval.cases import Case, GoldSpan
from eval.gold import corpus_about
from ingest import pipeline
from ingest.forgetting import forget, forget_all
from ingest.pipeline import ingest, migrate
from ui.pages.chat.asking import questions_of
from ui.pages.documents.view import documents_of, preview
from ui.people import LOCAL
from ui.scope import Scope, offered
from ui.sources.library import CitedSpan, Library
from ui.uploads import Arrivals, stored

TOPICS = ("hail", "fire", "storm", "theft", "flood")


def write(docs: Path, *topics: str, claim: str = "is insured") -> None:
    docs.mkdir(exist_ok=True)
    for topic in topics:
        (docs / f"{topic}.md").write_text(
            f"# {topic.title()}\n\nDamage by {topic} {claim}, with a deductible of 150 euros."
        )


@pytest.fixture
def sharing(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"store": StoreSettings(url=f"lance:{tmp_path}/shared")})


@pytest.fixture
def writer(workspace: Workspace, sharing: Settings) -> Workspace:
    return with_shared(workspace, sharing)


@pytest.fixture
def reader(tmp_path: Path, sharing: Settings) -> Workspace:
    return with_shared(Workspace(tmp_path / "reader"), sharing)


def published(writer: Workspace, docs: Path, settings: Settings) -> None:
    ingest(writer, "claims", [docs], settings, embedder=FakeEmbedder(), confirmed=True)


def found(
    workspace: Workspace, settings: Settings, question: str, only: Filter | None = None
) -> list[tuple[str, float]]:
    with closing(Service(workspace, settings, FakeEmbedder(), lambda: None)) as service:  # type: ignore[arg-type,return-value]
        hits = service.search("claims", question, only=only)
        return [(hit.document, round(hit.score, 5)) for hit in hits]


def test_a_machine_without_the_corpus_finds_what_the_one_that_wrote_it_finds(
    writer: Workspace, reader: Workspace, docs: Path, sharing: Settings
) -> None:
    write(docs, *TOPICS)
    published(writer, docs, sharing)
    assert reader.corpus_names() == ("claims",) and not reader.root.exists()
    for question in ("Is damage by hail insured?", "theft", "What is the deductible?"):
        assert found(reader, sharing, question) == found(writer, sharing, question) != []
    only = Filter(("fire.md",))
    assert [path for path, _ in found(reader, sharing, "deductible", only)] == ["fire.md"]
    hidden = replace(reader, shows=lambda kind, name: (kind, name) != ("corpus", "claims"))
    assert hidden.corpus_names() == ()
    with pytest.raises(UsageError, match="no corpus 'claims'"):
        open_corpus(hidden, "claims")


def test_who_has_a_service_open_sees_a_publish_at_the_next_question(
    writer: Workspace, reader: Workspace, docs: Path, sharing: Settings
) -> None:
    write(docs, "hail", "fire")
    published(writer, docs, sharing)
    services = [Service(reader, sharing, FakeEmbedder(), lambda: None) for _ in range(2)]  # type: ignore[arg-type,return-value]
    assert [service.search("claims", "flood damage")[0].document == "flood.md" for service in services] == [False] * 2
    write(docs, "flood")
    (docs / "fire.md").unlink()
    published(writer, docs, sharing)
    for service in services:
        assert {hit.document for hit in service.search("claims", "flood damage")} == {"flood.md", "hail.md"}
        service.close()


def test_the_app_shows_its_documents_and_sources_elsewhere_too(
    writer: Workspace, reader: Workspace, docs: Path, sharing: Settings
) -> None:
    write(docs, *TOPICS)
    published(writer, docs, sharing)
    span = CitedSpan("claims", "hail.md", 0, 0, "with a deductible of 150 euros")
    assert Library(reader).passage(span, "ana") == Library(writer).passage(span, "ana")
    rows = documents_of(reader, "claims")
    assert rows == documents_of(writer, "claims") and len(rows) == len(TOPICS)
    assert preview(reader, "claims", rows[0].key) == preview(writer, "claims", rows[0].key)
    assert questions_of(reader, "claims") == questions_of(writer, "claims")
    scope = Scope(("claims",), documents=("hail.md",))
    assert offered(reader, scope, ("claims",)) == offered(writer, scope, ("claims",))
    assert corpus_about([Case("one", "Is hail insured?", gold=((GoldSpan("hail.md"),),))], reader) == "claims"


def served(workspace: Workspace, url: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "assistant", "serve", "--port", "0", "--workspace", str(workspace.root)]
    variables = {**os.environ, "ASSISTANT_STORE__URL": url, "ASSISTANT_TOKEN": "secret"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=variables)


@pytest.mark.slow
def test_two_servers_over_one_corpus_answer_alike_and_see_a_publish_within_five_seconds(
    workspace: Workspace, reader: Workspace, docs: Path, sharing: Settings, tmp_path: Path
) -> None:
    url = sharing.store.url
    write(docs, *TOPICS)
    assert not run_apart("ingest", str(docs), "--corpus", "claims", "--workspace", str(workspace.root), url=url)
    both = [served(one, url) for one in (reader, Workspace(tmp_path / "another"))]
    try:
        addresses = [one.stdout.readline().split(" on ")[1].split("/v1")[0] for one in both if one.stdout]

        def hits(address: str, question: str = "Is damage by hail insured?") -> list[tuple[str, str, float]]:
            reply = post(
                f"{address}/v1/search", json={"question": question}, headers={"Authorization": "Bearer secret"}
            )
            return [(one["document"], one["text"], one["score"]) for one in reply.raise_for_status().json()["hits"]]

        before = [hits(address) for address in addresses]
        assert before[0] == before[1] and before[0][0][0] == "hail.md"
        write(docs, "hail", claim="is never insured")
        assert not run_apart("ingest", "--corpus", "claims", "--workspace", str(workspace.root), url=url)
        began = time.monotonic()
        after = [hits(address) for address in addresses]
        assert after[0] == after[1] and "never" in after[0][0][1] and time.monotonic() - began < 5
        both[0].kill()
        assert hits(addresses[1]) == after[1]
    finally:
        for one in both:
            one.kill()
            one.communicate()


def run_apart(*arguments: str, url: str) -> int:
    variables = {**os.environ, "ASSISTANT_STORE__URL": url}
    command = [sys.executable, "-m", "assistant", *arguments]
    return subprocess.run(command, env=variables, capture_output=True).returncode


@pytest.mark.parametrize("step", ["_changed", "_count", "_indexed", "_make_live"])
def test_a_publish_that_is_killed_changes_nothing_and_the_next_ingest_ends_it(
    writer: Workspace, reader: Workspace, docs: Path, sharing: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write(docs, *TOPICS)
    published(writer, docs, sharing)
    before = found(reader, sharing, "damage by hail")
    write(docs, "hail", "frost", claim="is never insured")
    (docs / "fire.md").unlink()
    killed = getattr(shared_module, step)

    def then_killed(*arguments: Any) -> None:
        killed(*arguments) if step != "_make_live" else None
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(shared_module, step, then_killed)
        published(writer, docs, sharing)
    assert found(reader, sharing, "damage by hail") == before
    published(writer, docs, sharing)
    assert found(reader, sharing, "damage by frost") == found(writer, sharing, "damage by frost")
    with closing(Catalog(writer.corpus("claims"))) as catalog, catalog.snapshot():
        assert held_in(catalog) == held_at(Shared(sharing.store.url), "claims")


def test_only_what_changed_is_written(
    writer: Workspace, docs: Path, sharing: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(docs, *TOPICS)
    published(writer, docs, sharing)
    written: list[int] = []
    rows = shared_module._chunks

    def told(catalog: Catalog, ids: Any, touched: set[str]) -> Any:
        written.extend(ids)
        return rows(catalog, ids, touched)

    monkeypatch.setattr(shared_module, "_chunks", told)
    write(docs, "hail", claim="is not insured")
    published(writer, docs, sharing)
    assert len(written) == 1
    published(writer, docs, sharing)
    with closing(Catalog(writer.corpus("claims"))) as catalog:
        assert not bring(catalog, Shared(sharing.store.url))
    assert len(written) == 1


def test_what_only_the_writer_can_do_is_told_in_one_line(
    writer: Workspace, reader: Workspace, docs: Path, sharing: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    write(docs, *TOPICS)
    published(writer, docs, sharing)
    told = f"The corpus 'claims' is read from {sharing.store.url}. Run this where it was ingested."
    acts: tuple[Callable[[], object], ...] = (
        lambda: ingest(reader, "claims", [docs], sharing, embedder=FakeEmbedder()),
        lambda: ingest(reader, "claims", [], sharing, embedder=FakeEmbedder(), rebuild=True),
        lambda: forget(reader, "claims", [docs]),
        lambda: stored([docs / "hail.md"], reader, "claims", LOCAL, Arrivals(), sharing.ui),
    )
    for act in acts:
        with pytest.raises(UsageError) as caught:
            act()
        assert str(caught.value) == told
    place = ("--workspace", str(reader.root), "--set", f"store.url={sharing.store.url}")
    status, _, errors = run(capsys, "pairs", "--corpus", "claims", *place)
    assert (status, errors) == (2, f"Error: {told}\n")
    assert not reader.corpora.exists() and not (reader.root / "uploads").exists()


def test_the_command_opens_the_app_over_corpora_that_lie_elsewhere(
    writer: Workspace,
    reader: Workspace,
    docs: Path,
    sharing: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(docs, *TOPICS)
    published(writer, docs, sharing)

    def names(workspace: Workspace, *_: object) -> None:
        raise UsageError(f"The app has {', '.join(workspace.corpus_names())}.")

    monkeypatch.setattr("ui.context.make_context", names)
    status, _, errors = run(capsys, "ui", "--workspace", str(reader.root), "--set", f"store.url={sharing.store.url}")
    assert (status, errors) == (2, "Error: The app has claims.\n")


def test_what_is_forgotten_is_gone_there_too(
    writer: Workspace, reader: Workspace, docs: Path, sharing: Settings
) -> None:
    write(docs, *TOPICS)
    published(writer, docs, sharing)
    forget(writer, "claims", [docs], confirmed=True)
    with closing(open_corpus(reader, "claims")) as index:
        assert index.files() == [] and index.counts().chunks == 0


def lying(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "corpora.lance" not in str(path)
    }


@pytest.mark.parametrize("by", ["writer", "reader"])
def test_a_corpus_that_is_deleted_is_gone_here_and_there_and_who_has_it_open_is_told(
    writer: Workspace, reader: Workspace, docs: Path, sharing: Settings, tmp_path: Path, by: str
) -> None:
    write(docs, *TOPICS)
    published(writer, docs, sharing)
    ingest(writer, "other", [docs], sharing, embedder=FakeEmbedder())
    told = f"There is no corpus 'claims' at {sharing.store.url} any more. Choose another one."
    with closing(Service(reader, sharing, FakeEmbedder(), lambda: None)) as service:  # type: ignore[arg-type,return-value]
        index = open_corpus(reader, "claims")
        assert service.search("claims", "hail") and index.counts().chunks
        with pytest.raises(IngestError, match="5 files"):
            forget_all(writer, "claims")
        assert forget_all(reader, "claims", dry_run=True).objection and service.search("claims", "hail")
        with pytest.raises(UsageError) as caught, index.snapshot():  # in the midst of a question
            assert len(forget_all(writer if by == "writer" else reader, "claims", confirmed=True).files) == 5
            index.text(1)
        assert str(caught.value) == told
        with pytest.raises(UsageError) as caught, index.snapshot():
            pass
        assert str(caught.value) == told
        with pytest.raises(UsageError, match="There is no corpus 'claims'"):
            service.search("claims", "hail")
        assert service.search("other", "hail")
    assert all(name.startswith("other") for name in lying(tmp_path / "shared"))
    assert reader.corpus_names() == ("other",) and not reader.root.exists()
    assert (writer.root / "corpora" / "claims").exists() == (by == "reader")
    published(writer, docs, sharing)  # as anew
    assert found(reader, sharing, "damage by hail") == found(writer, sharing, "damage by hail") != []


@pytest.mark.parametrize("step", ["_make_live", "drop", "dropped", "delete", "rename", "rmtree"])
@pytest.mark.parametrize("then", ["again", "ingest"])
def test_a_deletion_that_is_killed_leaves_all_or_nothing_to_find_and_is_ended_by_the_next(
    writer: Workspace, reader: Workspace, docs: Path, sharing: Settings, tmp_path: Path, step: str, then: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write(docs, *TOPICS)
    published(writer, docs, sharing)
    before, everything = found(reader, sharing, "damage by hail"), lying(tmp_path / "shared")

    def killed(*_: Any, **__: Any) -> None:
        if step == "dropped":  # a part of it
            for name in sorted(everything)[::2]:
                (tmp_path / "shared" / name).unlink()
        raise KeyboardInterrupt

    places = {
        "_make_live": (shared_module, "_make_live"), "drop": (Shared, "drop"), "dropped": (Shared, "drop"),
        "delete": (lance.LanceDataset, "delete"), "rename": (Path, "rename"), "rmtree": (shutil, "rmtree"),
    }  # fmt: skip
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(*places[step], killed)
        forget_all(writer, "claims", confirmed=True)
    if step == "_make_live":
        assert found(reader, sharing, "damage by hail") == before
    else:
        assert reader.corpus_names() == ()
    if then == "ingest":
        published(writer, docs, sharing)
        assert found(reader, sharing, "damage by hail") == before
        with closing(Catalog(writer.corpus("claims"))) as catalog, catalog.snapshot():
            assert held_in(catalog) == held_at(Shared(sharing.store.url), "claims")
    with suppress(UsageError):
        forget_all(writer, "claims", confirmed=True)
    assert lying(tmp_path / "shared") == set() == lying(writer.corpora)
    with pytest.raises(UsageError, match="There is no corpus 'claims'"):
        forget_all(writer, "claims", confirmed=True)


def test_the_command_deletes_a_corpus_with_its_pairs_and_no_other(
    workspace: Workspace, docs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(docs, *TOPICS)
    place = ("--workspace", str(workspace.root))
    for corpus in ("claims", "other"):
        assert run(capsys, "ingest", str(docs), "--pairs", "--corpus", corpus, *place)[0] == 0
    for wrong in ((), ("--all", str(docs))):
        assert run(capsys, "forget", *wrong, "--corpus", "claims", *place)[0] == 2
    assert run(capsys, "forget", "--all", "--corpus", "claims", *place)[0] == 1
    status, out, errors = run(capsys, "forget", "--all", "--yes", "--corpus", "claims", *place)
    assert status == 0 and "5 forgotten" in out and "There is no corpus 'claims' any more." in out, errors
    assert workspace.corpus_names() == ("other",) and not workspace.corpus("claims").exists()
    assert {file.name for file in workspace.pairs.glob("*.jsonl")} == {"other.jsonl"} and docs.exists()
    assert run(capsys, "forget", "--all", "--yes", "--corpus", "claims", *place)[0] == 2


def test_there_and_back_nothing_is_lost(
    workspace: Workspace, docs: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(docs, *TOPICS)
    (docs / "copy.md").write_bytes((docs / "hail.md").read_bytes())
    (docs / "table.csv").write_text("age,euros\n41,12\n50,14\n")
    (docs / "empty.pdf").write_bytes(b"")
    published(workspace, docs, settings)
    (docs / "theft.md").unlink()
    published(workspace, docs, settings)
    url, again = f"lance:{tmp_path}/shared", tmp_path / "again"
    for arguments in (
        ["claims", "--to", url, "--workspace", str(workspace.root)],
        ["--all", "--from", url, "--workspace", str(again)],
    ):
        status, out, _ = run(capsys, "migrate", *arguments)
        assert status == 0 and f"'claims' is the same here and at {url}" in out and "files" in out
    with closing(Catalog(workspace.corpus("claims"))) as before, closing(Catalog(again / "corpora/claims")) as after:
        assert held_in(before) == held_in(after) and {one.kind: one.count for one in held_in(after)}["files"] == 7
        assert [*before.live_chunks()] == [*after.live_chunks()] and not after.damage()
        assert (before.counts(), before.identity()) == (after.counts(), after.identity())
        assert before.calibration() == after.calibration() is not None
    assert found(Workspace(again), settings, "hail damage") == found(workspace, settings, "hail damage")
    report = ingest(Workspace(again), "claims", [docs], settings, embedder=FakeEmbedder())
    assert report.counts == {"unchanged": 6, "failed": 1}


def test_a_way_back_that_differs_leaves_nothing(
    workspace: Workspace, docs: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(docs, *TOPICS)
    published(workspace, docs, settings)
    url, again = f"lance:{tmp_path}/shared", Workspace(tmp_path / "again")
    migrate(workspace, "claims", url, back=False)
    real = held_in
    monkeypatch.setattr(pipeline, "held_in", lambda catalog: (replace(real(catalog)[0], count=3), *real(catalog)[1:]))
    with pytest.raises(WorkspaceError, match=r"not the same in both: 3 files here, 5 at lance:"):
        migrate(again, "claims", url, back=True)
    assert again.corpus_names() == ()
    with pytest.raises(UsageError, match=r"no corpus 'none' at lance:.*There are: claims"):
        migrate(again, "none", url, back=True)
    with pytest.raises(UsageError, match="already"):
        migrate(workspace, "claims", url, back=True)


def test_what_a_newer_program_wrote_is_refused(
    writer: Workspace, docs: Path, sharing: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(docs, *TOPICS)
    monkeypatch.setattr("assistant.store.lance.Live.to_json", lambda _: '{"format": 99}')
    published(writer, docs, sharing)
    with pytest.raises(WorkspaceError, match="newer program"):
        Shared(sharing.store.url).names()


@pytest.mark.parametrize("url", ["lance:foo://bucket/x", "lance:/dev/null/corpora"])
def test_a_place_that_cannot_be_used_is_told_in_one_line(
    workspace: Workspace, docs: Path, settings: Settings, url: str
) -> None:
    write(docs, "hail")
    published(workspace, docs, settings)
    with pytest.raises(WorkspaceError) as caught:
        migrate(workspace, "claims", url, back=False)
    assert str(caught.value).startswith(f"{url} cannot be used: ") and "\n" not in str(caught.value)
    assert ".rs:" not in str(caught.value)


def test_without_the_package_its_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lance", None)
    with pytest.raises(UsageError, match=r"pip install 'domain-assistant\[lance\]'"):
        Shared("lance:/srv/corpora")


def test_who_shares_nothing_loads_nothing_of_it() -> None:
    code = (
        "import sys, assistant.service, ingest.pipeline, assistant.doctor\n"
        "assert not {'lance', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_index_of_many_vectors_keeps_up_with_what_comes_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where parts of it are joined, and where it is made anew."""
    monkeypatch.setattr(shared_module, "_INDEXED_FROM", 200)
    monkeypatch.setattr(shared_module, "_MOST_PARTS", 3)
    # All cells: where they lie is chance, and what is in them is asked here.
    monkeypatch.setattr(lance_module, "_LEAST_CELLS", 1_000)
    random, shared = np.random.default_rng(1), Shared(f"lance:{tmp_path}/shared")
    rows: list[FileRow] = []
    vectors: dict[int, np.ndarray] = {}
    with closing(Catalog(tmp_path / "claims")) as catalog:
        for round_, count in enumerate((15, 1, 1, 1, 1, 1, 20, 1)):
            with catalog.transaction():
                for number in range(count):
                    text = "\n\n".join(f"word{random.integers(50)} of {round_} {number}" for _ in range(20))
                    parts = text.split("\n\n")
                    starts = np.cumsum([0, *(len(part) + 2 for part in parts)])
                    chunks = [
                        Chunk(int(start), int(start) + len(part), part, "", "", "", (part,))
                        for start, part in zip(starts, parts, strict=False)
                    ]
                    its = random.standard_normal((20, 16)).astype(np.float32)
                    its /= np.linalg.norm(its, axis=1, keepdims=True)
                    key = f"{round_}-{number}"
                    id_ = catalog.stage(key, Document("T", (Block(text),), "text"), chunks, [*its], "fake")
                    rows.append(FileRow("/docs", key, 1, 1, key, id_))
            rows = rows[1:]
            pipeline.publish(catalog, catalog.files(), rows, CorpusIdentity("fake", "fake", "recipe"))
            assert bring(catalog, shared)
            index = LanceIndex(shared, "claims")
            with index.snapshot(), catalog.snapshot():
                vectors = {}
                for ids, some in catalog.live_vectors():
                    vectors |= dict(zip(ids.tolist(), some, strict=True))
                question = random.standard_normal(16).astype(np.float32)
                question /= np.linalg.norm(question)
                best = sorted(vectors, key=lambda one: -float(vectors[one] @ question))
                near = [one for one, _ in index.nearest(question, 10)]
                assert {*near} == {*best[:10]} and {*near} <= vectors.keys()
                assert [one for one, _ in index.match(["word7"], 1000)] == [
                    one for one, _ in catalog.match(["word7"], 1000)
                ]
                only = Filter((rows[-1].path,))
                assert len(index.nearest(question, 10, only)) == 10
                assert index.counts() == catalog.counts()
        assert held_in(catalog) == held_at(shared, "claims")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    known = {"AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", **keys}
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="corpora")
    yield "lance:s3://corpora/prefix"
    server.stop()


def test_an_object_store_holds_a_corpus_as_a_disk_does(
    bucket: str, workspace: Workspace, docs: Path, settings: Settings, tmp_path: Path
) -> None:
    sharing = settings.model_copy(update={"store": StoreSettings(url=bucket)})
    writer, reader = (with_shared(one, sharing) for one in (workspace, Workspace(tmp_path / "reader")))
    write(docs, *TOPICS)
    published(writer, docs, sharing)
    assert found(reader, sharing, "damage by hail") == found(writer, sharing, "damage by hail") != []
    write(docs, "hail", claim="is not insured")
    published(writer, docs, sharing)
    assert found(reader, sharing, "is hail not insured") == found(writer, sharing, "is hail not insured")
    assert {one.count for one in migrate(Workspace(tmp_path / "again"), "claims", bucket, back=True)} >= {5}
    forget_all(writer, "claims", confirmed=True)
    assert reader.corpus_names() == () and not Shared(bucket).table("claims", "chunks")
    listed = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).list_objects_v2(Bucket="corpora")
    assert not [one for one in listed["Contents"] if "/claims/" in one["Key"]]

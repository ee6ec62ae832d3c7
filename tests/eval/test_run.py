"""A run asks as ``ask`` does, asks nothing twice, and gives the same numbers each time."""

import json
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeEmbedder
from insurer import Insurer, ReadingEngine, cases, insurer_in

from assistant.answer import Assistant
from assistant.artifacts.evaluations import RESULTS_FILE, ROWS_FILE
from assistant.config import DeviceSettings, Settings
from assistant.errors import UsageError
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Message
from eval.metrics.style import StyleRule
from eval.results import write_run
from eval.running.playback import GENERATIONS_FILE, Generations, PlaybackEngine, Prompt
from eval.running.systems import systems_of

ALL = "base,base+rag,house,house+rag,oracle,noise,extractive"
SOME = cases()[::4]
"""Ten of nine documents, each kind among them, and one that nothing answers."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Insurer:
    return insurer_in(tmp_path_factory.mktemp("insurer"), settings)


@pytest.fixture
def insurer(shared: Insurer) -> Insurer:
    """The corpus without what models have said."""
    (shared.workspace.root / GENERATIONS_FILE).unlink(missing_ok=True)
    return Insurer(shared.workspace, shared.settings)


def test_a_run_says_what_ask_says(insurer: Insurer) -> None:
    ended = insurer.run(insurer.plan("base+rag"))
    with closing(Catalog(insurer.workspace.corpus("default"))) as catalog:
        settings = insurer.settings
        retriever = Retriever(catalog, FakeEmbedder(), settings.retrieval, settings.device)
        assistant = Assistant(retriever, ReadingEngine, settings.answer, settings.engine)
        for row in ended.rows:
            asked, got = assistant.ask(row.case.question), row.answers["base+rag"]
            assert (got.text, got.refused, got.quoted) == (asked.text, asked.refused, asked.quoted)
            assert [s.text for s in got.sentences] == [s.text for s in asked.sentences]
            shown = [row.passages[place] for place in got.shown]
            assert [(p.document, p.start, p.end) for p in shown] == [(h.document, h.start, h.end) for h in asked.hits]


def test_citations_and_gold_point_into_the_stored_passages(insurer: Insurer) -> None:
    for row in insurer.run(insurer.plan("base+rag")).rows:
        answer = row.answers["base+rag"]
        for sentence in answer.sentences:
            for citation in sentence.citations:
                quoted = row.passages[citation.passage].text[citation.start : citation.end]
                assert quoted and (answer.refused or sentence.text.rstrip(".") in quoted)
        for span in (one for group in row.case.gold for one in group):
            held = [p.text[start:end] for p in row.passages for start, end in p.gold]
            assert span.quote.rstrip(".") in " ".join(held) or answer.first_failure == "retrieval miss"


@pytest.mark.slow
def test_every_system_is_asked_in_batches_and_scored(insurer: Insurer) -> None:
    ended = insurer.run(insurer.plan(ALL))
    assert list(ended.results.means) == ALL.split(",")
    assert max(insurer.engine.batches) > 10
    assert set(insurer.engine.adapters) == {None, "house"}
    means = ended.results.means
    assert means["base"]["recall@5"].value is None
    assert means["base"]["recall@5"].reasons == {"the system searches nothing": 40}
    assert means["base+rag"]["must_include"].value == means["extractive"]["must_include"].value
    assert means["oracle"]["recall@1"].value == 1.0
    assert (means["base"]["must_include"].value, means["noise"]["must_include"].value) == (0.0, 1.0)
    effects = {(effect.name, effect.formula) for effect in ended.results.effects}
    assert ("interaction", "(house+rag - base+rag) - (house - base)") in effects
    assert ("model", "house+rag - extractive") in effects


def test_a_second_run_asks_no_model_and_gives_the_same_bytes(insurer: Insurer, tmp_path: Path) -> None:
    for name, engine in (("one", ReadingEngine()), ("other", ReadingEngine(damaged=["house"]))):
        insurer.engine = engine
        ended = insurer.run(insurer.plan(ALL, cases=SOME))
        write_run(tmp_path / name, ended.results, ended.rows, ended.costs)
    assert engine.batches == []
    assert ended.costs.cached_answers > 25
    for file in (RESULTS_FILE, ROWS_FILE):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_asking_afresh_gives_the_same_bytes_too(insurer: Insurer) -> None:
    one = insurer.run(insurer.plan(cases=SOME))
    other = insurer.run(insurer.plan(cases=SOME, fresh=True))
    assert (one.results, one.rows) == (other.results, other.rows)
    assert other.costs.cached_answers == 0


class DyingEngine(ReadingEngine):
    """Is killed in its second batch."""

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        if self.batches:
            raise KeyboardInterrupt
        return super().complete(requests, max_new_tokens, adapter)


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_where_it_was(insurer: Insurer) -> None:
    plan = insurer.plan("base,base+rag")
    insurer.engine = DyingEngine()
    with pytest.raises(KeyboardInterrupt):
        insurer.run(plan)
    (done,) = insurer.engine.batches
    file = insurer.workspace.root / GENERATIONS_FILE
    file.write_bytes(file.read_bytes()[:-20])  # the last line is cut
    insurer.engine = ReadingEngine()
    ended = insurer.run(plan)
    asked_twice = 1
    assert sum(insurer.engine.batches) == len(_prompts(insurer)) - done + asked_twice
    whole = Insurer(insurer.workspace, insurer.settings).run(replace(plan, fresh=True))
    assert (ended.results, ended.rows) == (whole.results, whole.rows)


def _prompts(insurer: Insurer) -> set[str]:
    lines = (insurer.workspace.root / GENERATIONS_FILE).read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["key"] for line in lines if line.startswith("{") and line.endswith("}")}


class OtherEngine(ReadingEngine):
    """The same by another name."""


def test_what_determines_an_answer_determines_whether_it_is_known(insurer: Insurer) -> None:
    some = SOME[:2]
    insurer.run(insurer.plan("base+rag", cases=some))
    engine = insurer.settings.engine
    for changes in ({"model": "other"}, {"max_new_tokens": 7}, {"quantize": "8bit"}):
        insurer.engine = ReadingEngine()
        changed = insurer.settings.model_copy(update={"engine": engine.model_copy(update=changes)})
        insurer.run(insurer.plan("base+rag", cases=some, settings=changed))
        assert insurer.engine.batches, changes
    insurer.engine = OtherEngine()
    insurer.run(insurer.plan("base+rag", cases=some))
    assert insurer.engine.batches, "another runtime computes other numbers"


def test_what_determines_the_numbers_is_in_the_identity(insurer: Insurer, tmp_path: Path) -> None:
    some = cases()[:3]
    before = insurer.run(insurer.plan("base+rag", cases=some)).results.identity
    half = insurer.settings.model_copy(update={"device": DeviceSettings(dtype="float16")})
    rules = [StyleRule("a", "b", "any", re.compile("x"), wanted=True)]
    for after in (
        insurer.run(insurer.plan("base+rag", cases=some, settings=half)).results.identity,
        insurer.run(insurer.plan("base+rag", cases=some, style_rules=rules)).results.identity,
    ):
        assert after.settings != before.settings and replace(after, settings=before.settings) == before
    cut = insurer.settings.ingest.model_copy(update={"chunk_characters": 0, "min_window_tokens": 0})
    other = insurer_in(tmp_path, insurer.settings.model_copy(update={"ingest": cut}))
    after = other.run(other.plan("base+rag", cases=some)).results.identity
    assert after.corpus != before.corpus and replace(after, corpus=before.corpus) == before


def test_prompts_are_put_together_in_one_way_whatever_their_order(tmp_path: Path) -> None:
    prompts = [Prompt((Message("system", system), Message("user", "Hail?")), 9, None) for system in ("ab", "ba", "cc")]
    seen = []
    for number, some in enumerate((prompts, prompts[::-1])):
        engine = ReadingEngine()
        PlaybackEngine(engine, Generations(tmp_path / str(number), {None: "x"})).generate(some)
        seen.append(engine.prompts)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("some", [cases()[:1], cases()[-4:], cases()[-1:]], ids=["one", "all unanswerable", "one none"])
def test_few_cases_give_reasons_and_no_wrong_numbers(insurer: Insurer, some: list[object]) -> None:
    results = insurer.run(insurer.plan(cases=some)).results
    for metric, mean in results.means["base+rag"].items():
        assert mean.low is None or mean.documents >= 5, metric
        assert (mean.value is None) == (mean.scored == 0) and sum(mean.reasons.values()) == mean.n - mean.scored
    assert all(effect.verdict == "anecdote" for effect in results.effects)


def test_no_case_is_told(insurer: Insurer) -> None:
    with pytest.raises(UsageError, match="no case"):
        insurer.run(insurer.plan(cases=[]))


class StrangeEngine(ReadingEngine):
    """Says what no model should."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self._said = said

    def complete(
        self,
        requests: Sequence[Sequence[Message]],
        max_new_tokens: int,  # noqa: ARG002
        adapter: str | None = None,  # noqa: ARG002
    ) -> list[str]:
        return [self._said] * len(requests)


@pytest.mark.slow
@pytest.mark.parametrize(
    "said", ["", "nan", "\x00<script>", "\ud800", "hail " * 20_000], ids=lambda said: repr(said)[:12]
)
def test_whatever_a_model_says_a_run_ends_and_reads_back(insurer: Insurer, tmp_path: Path, said: str) -> None:
    insurer.engine = StrangeEngine(said)
    ended = insurer.run(insurer.plan(cases=cases()[:3]))
    write_run(tmp_path, ended.results, ended.rows, ended.costs)
    assert ended.results.means["base"]["exact_match"].value == 0.0


@pytest.mark.parametrize("names", ["", "base,base", "base,,house", "+rag"])
def test_names_of_systems_that_make_no_sense_are_told(names: str) -> None:
    with pytest.raises(UsageError):
        systems_of(names.split(","))

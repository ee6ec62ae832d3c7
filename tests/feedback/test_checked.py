"""An answer that someone has checked is given again at once, and only while the documents still say so."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes import FakeEmbedder, ScriptedEngine

from assistant.answer import Assistant
from assistant.config import Settings
from assistant.feedback.checked import LEAST_LIKENESS, CheckedAnswers
from assistant.feedback.database import Assessment, FeedbackStore, Versions
from assistant.render.records import answer_json
from assistant.render.transcript import answer_lines
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Answer, Filter, Message
from assistant.workspace import Workspace
from ingest.pipeline import ingest

QUESTION = "What is the deductible for hail damage?"
HAIL = "Hail damage to the car is covered. The deductible for hail damage is 150 euros."
TRIPS = "A trip may last up to 56 days. Longer trips need a travel contract of their own."
RIGHT = "The deductible for hail damage is 150 euros."
WRONG = "A trip may last up to 56 days."

Teach = Callable[..., int]


@pytest.fixture
def reingest(workspace: Workspace, docs: Path, settings: Settings) -> Callable[..., None]:
    """Writes documents, and takes them in."""

    def written(**texts: str) -> None:
        for name, text in texts.items():
            (docs / f"{name}.md").write_text(f"# {name.title()}\n\n{text}\n")
        ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())

    return written


@pytest.fixture
def retriever(workspace: Workspace, settings: Settings, reingest: Callable[..., None]) -> Iterator[Retriever]:
    reingest(hail=HAIL, trips=TRIPS)
    catalog = Catalog(workspace.corpus("default"))
    yield Retriever(catalog, FakeEmbedder(), settings.retrieval, settings.device)
    catalog.close()


@pytest.fixture
def ask(workspace: Workspace, settings: Settings, retriever: Retriever) -> Callable[..., Answer]:
    """Asks a model that always says the wrong thing."""
    checked = CheckedAnswers(workspace, "default")
    engine = ScriptedEngine(WRONG)
    return Assistant(retriever, lambda: engine, settings.answer, settings.engine, checked).ask


@pytest.fixture
def teach(workspace: Workspace, retriever: Retriever, ask: Callable[..., Answer]) -> Teach:
    """Says how the answer to a question should read, and has it accepted; the number of that."""
    store = FeedbackStore(workspace)

    def taught(judgement: Assessment | None = None, question: str = QUESTION, accepted: bool = True) -> int:
        versions = Versions("bundled", None, retriever.catalog.generation())
        said = judgement or Assessment("wrong", (), "", RIGHT, (1,))
        number = store.add("ana", "default", ask(question), versions, said, {})
        if accepted:
            store.accept(number, "bea")
        return number

    return taught


def test_an_accepted_correction_answers_the_same_question_without_a_model(
    ask: Callable[..., Answer], teach: Teach
) -> None:
    before = ask(QUESTION)
    teach()
    after = ask(QUESTION)
    assert before.checked is None
    assert after.text == RIGHT
    assert after.checked is not None and after.checked.by == "bea" and after.checked.date == datetime.now(UTC).date()
    (sentence,) = after.sentences
    assert sentence.supported and sentence.citations[0].document == "hail.md"
    assert after.trace is not None and not after.trace.prompt


@pytest.mark.parametrize(
    "asked", ["what is the deductible for HAIL damage", f"  {QUESTION}  ", "What is the deductible, for hail damage?!"]
)
def test_case_blanks_and_punctuation_ask_nothing_else(ask: Callable[..., Answer], teach: Teach, asked: str) -> None:
    teach()
    assert ask(asked).text == RIGHT


@pytest.mark.parametrize(
    "asked",
    [
        "What is no deductible for hail damage?",
        "What is the deductible for fire damage?",
        "Is the deductible what hail damage is for?",
        "What is the deductible for hail damage of 2 cars?",
    ],
)
def test_a_question_in_other_words_is_never_answered_for(ask: Callable[..., Answer], teach: Teach, asked: str) -> None:
    teach()
    assert ask(asked).checked is None


def test_what_nobody_has_accepted_is_not_given(ask: Callable[..., Answer], teach: Teach, workspace: Workspace) -> None:
    number = teach(accepted=False)
    assert ask(QUESTION).checked is None
    FeedbackStore(workspace).accept(number, "bea")
    FeedbackStore(workspace).reject(number, "bea")
    assert ask(QUESTION).checked is None


def test_a_correction_falls_silent_when_its_passage_changes(
    ask: Callable[..., Answer], teach: Teach, reingest: Callable[..., None]
) -> None:
    teach()
    reingest(trips="A trip may last up to 90 days.")
    assert ask(QUESTION).text == RIGHT, "another document has changed"
    reingest(hail=HAIL.replace("150", "300"))
    assert ask(QUESTION).checked is None


def test_the_latest_judgement_stands(ask: Callable[..., Answer], teach: Teach) -> None:
    teach()
    teach(Assessment("partly", (), "", "It is 150 euros.", (1,)))
    assert ask(QUESTION).text == "It is 150 euros."


def test_a_checked_refusal_stands_until_anything_changes(
    ask: Callable[..., Answer], teach: Teach, reingest: Callable[..., None]
) -> None:
    teach(Assessment("wrong", ("not_in_source",)))
    refused = ask(QUESTION)
    assert refused.refused and refused.checked is not None and refused.checked.by == "bea"
    reingest(news="The deductible for hail damage is 200 euros from May.")
    assert ask(QUESTION).checked is None


def test_who_chose_the_documents_gets_those(ask: Callable[..., Answer], teach: Teach) -> None:
    teach()
    assert ask(QUESTION, (), Filter(documents=("hail.md",))).checked is None


def test_a_follow_up_is_known_by_the_question_that_it_stands_for(ask: Callable[..., Answer], teach: Teach) -> None:
    history = [Message("user", "What is the deductible for fire damage?"), Message("assistant", "200 euros.")]
    teach(question=ask("And for hail damage?", history).standalone_question)
    assert ask("And for hail damage?", history).text == RIGHT
    other = [Message("user", "What is the waiting time for fire damage?"), Message("assistant", "Two days.")]
    assert ask("And for hail damage?", other).checked is None


def test_near_questions_are_offered(ask: Callable[..., Answer], teach: Teach, retriever: Retriever) -> None:
    teach()
    near = "So what is the deductible for hail damage?"
    likeness = float(retriever.embedder.embed_question(near) @ retriever.embedder.embed_question(QUESTION))
    assert likeness >= LEAST_LIKENESS, "the test needs a near question"
    assert ask(near).like_checked == (QUESTION,)
    assert ask(f"{near[:-1]} of 3 cars?").like_checked == (), "another quantity"
    assert ask("How long may a trip last?").like_checked == ()


def test_screens_say_who_has_checked_it(ask: Callable[..., Answer], teach: Teach) -> None:
    teach()
    answer = ask(QUESTION)
    assert answer.checked is not None
    assert answer_json(None, answer)["checked"] == {"by": "bea", "date": answer.checked.date.isoformat()}
    assert f"(checked by bea, {answer.checked.date})" in answer_lines(answer)

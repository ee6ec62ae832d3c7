"""What people say about answers is kept whole, decided by people, and teaches only what its passages say."""

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from commands import run
from opinions import QUESTION, SAYS, VERSIONS, answer, say

from assistant.errors import UsageError, WorkspaceError
from assistant.feedback import database as kept_feedback
from assistant.feedback.database import FAULTS, Assessment, Feedback, FeedbackStore, Vote, shown_of
from assistant.feedback.lessons import is_supported, lesson_of
from assistant.store.sql import migrate, versions_in
from assistant.types import Message
from assistant.workspace import Workspace

CORRECTION = "We pay a hotel room up to 95 euros a night."
WRONG = Assessment("wrong", ("wrong_source", "outdated"), "Ask Ben.", CORRECTION, (1,))


def kept(folder: Path, judgement: Assessment = WRONG, **changes: object) -> Feedback:
    return FeedbackStore(Workspace(folder)).get(say(folder, judgement, answer(**changes)))  # type: ignore[arg-type]


def test_all_that_was_asked_shown_and_said_comes_back(tmp_path: Path) -> None:
    history = (Message("user", "Hello"), Message("assistant", "Hello."))
    number = FeedbackStore(Workspace(tmp_path)).add(
        "ana", "house", answer(), VERSIONS, WRONG, {"fire.md": "h1"}, history
    )
    one = FeedbackStore(Workspace(tmp_path)).get(number)
    assert (one.user, one.corpus, one.question, one.answer) == ("ana", "house", QUESTION, "The fire brigade pays.")
    assert one.judgement == WRONG and one.versions == VERSIONS and one.history == history and one.state == "new"
    first, second = one.evidence
    assert (first.document, first.hash, first.text, first.cited) == ("fire.md", "h1", SAYS, ("We pay",))
    assert (second.number, second.hash, second.cited) == (2, "", ())


def test_it_is_decided_and_may_be_decided_again(tmp_path: Path) -> None:
    store, number = FeedbackStore(Workspace(tmp_path)), say(tmp_path, WRONG)
    assert store.accept(number, "eve").state == "accepted"
    edited = store.accept(number, "eve", "We pay 95 euros a night.")
    assert (edited.state, edited.wanted, edited.judgement.correction) == (
        "edited",
        "We pay 95 euros a night.",
        CORRECTION,
    )
    assert store.accept(number, "eve", CORRECTION).state == "accepted", "the author's own words are no edit"
    rejected = store.reject(number, "adam")
    assert (rejected.state, rejected.edited, rejected.decided_by) == ("rejected", "", "adam")
    assert rejected.decided is not None
    assert store.counts() == {"new": 0, "accepted": 0, "edited": 0, "rejected": 1}


def test_lists_are_by_state_corpus_and_person_the_latest_first(tmp_path: Path) -> None:
    store = FeedbackStore(Workspace(tmp_path))
    assert store.listed() == [] and not store.file.exists(), "looking makes nothing"
    first, second, third = (
        say(tmp_path, WRONG),
        say(tmp_path, WRONG, user="ben"),
        say(tmp_path, WRONG, corpus="other"),
    )
    store.accept(second, "eve")
    assert [one.id for one in store.listed()] == [third, second, first]
    assert [one.id for one in store.listed(states=("accepted", "edited"))] == [second]
    assert [one.id for one in store.listed(corpus="other")] == [third]
    assert [one.id for one in store.listed(user="ben")] == [second]
    assert [one.id for one in store.listed(most=1)] == [third]


def test_nothing_is_accepted_that_says_nothing(tmp_path: Path) -> None:
    store = FeedbackStore(Workspace(tmp_path))
    number = say(tmp_path, Assessment("wrong", ("tone",)))
    with pytest.raises(UsageError, match="how this answer should read"):
        store.accept(number, "eve")
    assert store.get(number).state == "new"
    assert store.accept(number, "eve", CORRECTION).state == "edited"


@pytest.mark.parametrize("judgement", [WRONG, Assessment("wrong", ("tone",)), Assessment("right")])
def test_what_someone_wrote_stands_when_it_is_accepted_once_more(tmp_path: Path, judgement: Assessment) -> None:
    store, number = FeedbackStore(Workspace(tmp_path)), say(tmp_path, judgement)
    store.accept(number, "eve", "We pay 95 euros a night.")
    for again in ("", "We pay 95 euros a night."):
        found = store.accept(number, "adam", again)
        assert (found.state, found.wanted, found.decided_by) == ("edited", "We pay 95 euros a night.", "adam")


def test_a_text_without_a_word_is_not_accepted(tmp_path: Path) -> None:
    store = FeedbackStore(Workspace(tmp_path))
    number = say(tmp_path, Assessment("wrong", correction="—"))
    for text in ("", " …! "):
        with pytest.raises(UsageError, match="no letter or digit"):
            store.accept(number, "eve", text)
    assert store.get(number).state == "new"


def test_asking_for_what_was_never_said_makes_no_file(tmp_path: Path) -> None:
    store = FeedbackStore(Workspace(tmp_path / "workspace"))
    calls: list[Callable[[], object]] = [
        lambda: store.get(3),
        lambda: store.accept(3, "eve"),
        lambda: store.reject(3, "eve"),
    ]
    for call in calls:
        with pytest.raises(UsageError, match="no feedback 3"):
            call()
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize(
    "judgement",
    [
        Assessment("wrong", correction="x" * 8001),
        Assessment("wrong", note="x" * 8001),
        Assessment("wrong", sources=(3,)),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, judgement: Assessment) -> None:
    with pytest.raises(UsageError):
        say(tmp_path, judgement)
    assert FeedbackStore(Workspace(tmp_path)).counts()["new"] == 0


def test_votes_are_kept_with_both_answers(tmp_path: Path) -> None:
    store = FeedbackStore(Workspace(tmp_path))
    vote = Vote("ana", "house", QUESTION, "base", "house", "One.", "Two.", "second", blind=True)
    store.add_vote(vote)
    with closing(sqlite3.connect(store.file)) as database:
        made, *kept = database.execute("SELECT made, user, first, second_answer, choice, blind FROM votes").fetchone()
    assert datetime.fromisoformat(made) and kept == ["ana", "base", "Two.", "second", 1]


def test_votes_come_back_with_what_both_answers_were_shown(tmp_path: Path) -> None:
    store = FeedbackStore(Workspace(tmp_path))
    assert store.votes() == [] and not store.file.exists()
    vote = Vote("ana", "house", QUESTION, "base", "house", "1", "2", "second", True, QUESTION, shown_of(answer(), {}))
    number = store.add_vote(vote)
    store.add_vote(replace(vote, corpus="other"))
    (one,) = store.votes("house")
    assert replace(one, id=0, made=None) == vote and one.id == number and one.made is not None
    assert [other.corpus for other in store.votes()] == ["other", "house"]


def test_feedback_of_before_votes_kept_their_passages_is_read(tmp_path: Path) -> None:
    """A file as the version before left it, with a vote and a judgement."""
    old = versions_in(Path(kept_feedback.__file__).with_name("feedback.sql"))[:1]
    store = FeedbackStore(Workspace(tmp_path))
    with closing(sqlite3.connect(store.file)) as file, file:
        migrate(file, "feedback", old)
        columns = "made, user, corpus, question, first, second, first_answer, second_answer, choice, blind"
        values = ("2026-11-01T10:00:00+00:00", "ana", "house", QUESTION, "base", "house", "One.", "Two.", "first", 0)
        file.execute(f"INSERT INTO votes ({columns}) VALUES ({','.join('?' * 10)})", values)
    number = say(tmp_path, WRONG)
    (vote,) = store.votes()
    assert (vote.first_answer, vote.choice, vote.standalone_question, vote.evidence) == ("One.", "first", "", ())
    assert store.get(number).judgement == WRONG


def test_many_say_something_at_once(tmp_path: Path) -> None:
    threads = [threading.Thread(target=lambda: [say(tmp_path, WRONG) for _ in range(5)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert FeedbackStore(Workspace(tmp_path)).counts()["new"] == 40


def test_a_damaged_or_newer_file_is_told_in_one_line(tmp_path: Path) -> None:
    store = FeedbackStore(Workspace(tmp_path))
    say(tmp_path, WRONG)
    with closing(sqlite3.connect(store.file)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(WorkspaceError, match="version 99"):
        store.listed()
    store.file.write_bytes(b"no database at all, but long enough to be looked at" * 50)
    with pytest.raises(WorkspaceError, match="cannot be used"):
        store.listed()


def test_texts_of_strangers_are_values_and_never_sql(tmp_path: Path) -> None:
    hostile = "'); DROP TABLE feedback; --"
    store = FeedbackStore(Workspace(tmp_path))
    number = say(
        tmp_path, Assessment("wrong", note=hostile, correction=hostile), answer(hostile, hostile), user=hostile
    )
    assert store.get(number).question == hostile
    assert [one.id for one in store.listed(corpus="house", user=hostile)] == [number]


# What it teaches


def test_a_correction_that_its_passages_say_is_trained_on_and_measured_with(tmp_path: Path) -> None:
    lesson = lesson_of(kept(tmp_path))
    assert lesson.row is not None
    assert (lesson.row["instruction"], lesson.row["response"]) == (QUESTION, CORRECTION)
    assert (lesson.row["document"], lesson.row["context"]) == ("fire.md", f"Fire > Hotel\n{SAYS}")
    assert lesson.case["answers"] == [CORRECTION]
    assert lesson.case["gold"] == [[{"document": "fire.md", "quote": "We pay a hotel room up to 95 euros a night."}]]
    assert lesson.row["id"] == lesson.case["id"] == "feedback-1", "it leads back to what was said"


@pytest.mark.parametrize(
    "text", ["We pay a hotel room up to 120 euros a night.", "The moon is made of cheese.", "We pay. The moon too."]
)
def test_a_fact_that_no_passage_says_is_not_learnt_by_heart(tmp_path: Path, text: str) -> None:
    lesson = lesson_of(kept(tmp_path, Assessment("wrong", (), "", text, (1,))))
    assert lesson.row is None and lesson.case["answers"] == [text]


def test_a_wrong_passage_cannot_prove_a_right_text(tmp_path: Path) -> None:
    assert lesson_of(kept(tmp_path, Assessment("wrong", (), "", CORRECTION, (2,)))).row is None


def test_a_pair_shows_the_text_of_one_document_only(tmp_path: Path) -> None:
    lesson = lesson_of(kept(tmp_path, Assessment("wrong", (), "", CORRECTION, (1, 2))))
    assert lesson.row is not None and "deductible" not in str(lesson.row["context"])


def test_a_pair_is_of_the_document_that_says_it_all(tmp_path: Path) -> None:
    hail = "The station halves the deductible of 150 euros."
    lesson = lesson_of(kept(tmp_path, Assessment("wrong", (), "", hail, (1, 2))))
    assert lesson.row is not None
    assert (lesson.row["document"], lesson.row["context"]) == ("hail.md", f"Hail\n{hail}")


def test_what_only_two_documents_together_say_is_no_pair_and_a_case_of_both(tmp_path: Path) -> None:
    both = f"{CORRECTION} The station halves the deductible of 150 euros."
    one = kept(tmp_path, Assessment("wrong", (), "", both, (1, 2)))
    lesson = lesson_of(one)
    assert lesson.row is None and not is_supported(one, both)
    assert [group[0]["document"] for group in lesson.case["gold"]] == ["fire.md", "hail.md"]  # type: ignore[attr-defined]


def test_an_answer_that_is_right_teaches_itself(tmp_path: Path) -> None:
    lesson = lesson_of(kept(tmp_path, Assessment("right"), text="We pay a hotel room up to 95 euros."))
    assert lesson.row is not None and lesson.row["response"] == "We pay a hotel room up to 95 euros."


@pytest.mark.parametrize(
    ("judgement", "refused"), [(Assessment("wrong", ("not_in_source",)), False), (Assessment("right"), True)]
)
def test_what_the_documents_do_not_answer_becomes_a_case_to_refuse(
    tmp_path: Path, judgement: Assessment, refused: bool
) -> None:
    lesson = lesson_of(kept(tmp_path, judgement, refused=refused))
    assert lesson.row is None and lesson.case["unanswerable"] is True and "answers" not in lesson.case


def test_a_wrong_refusal_teaches_an_answer(tmp_path: Path) -> None:
    assert lesson_of(kept(tmp_path, refused=True)).row is not None


# From the terminal


def test_commands_list_accept_and_reject(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def feedback(*arguments: str) -> tuple[int, str, str]:
        return run(capsys, "feedback", *arguments, "--workspace", str(tmp_path))

    assert feedback("list")[1].startswith("0 shown")
    say(tmp_path, WRONG)
    say(tmp_path, Assessment("wrong", ("tone",)))
    status, out, _ = feedback("list", "--state", "new", "--json")
    rows = json.loads(out)
    assert status == 0 and [row["id"] for row in rows] == [2, 1]
    assert rows[1]["judgement"]["correction"] == CORRECTION
    out = feedback("list")[1]
    assert QUESTION in out and "→" in out and "2 new" in out
    assert "a pair for the next training" in feedback("accept", "1")[1]
    assert feedback("accept", "2")[0] == 2
    assert feedback("accept", "1", "2", "--as", "The moon.")[0] == 2, "one text is of one answer"
    assert feedback("accept", "2", "--as", "The moon.")[1].startswith("2 is edited: a case")
    assert feedback("reject", "1")[0] == 0
    assert feedback("accept", "7")[0] == 2
    assert FeedbackStore(Workspace(tmp_path)).counts() == {"new": 0, "accepted": 0, "edited": 1, "rejected": 1}


def test_terminal_sequences_in_feedback_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J"
    say(tmp_path, Assessment("wrong", (), hostile, hostile), answer(hostile, hostile), user=hostile)
    out = run(capsys, "feedback", "list", "--workspace", str(tmp_path))[1]
    assert "\x1b]" not in out and "\x1b[2J" not in out and "\x07" not in out


def test_the_names_of_faults_are_those_of_the_screens() -> None:
    assert FAULTS == ("not_in_source", "wrong_source", "tone", "outdated", "incomplete")

"""Preferences: what people said with the passages they saw, and worse answers that are really worse."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cards import trained
from commands import run
from opinions import VERSIONS
from pairing import CORPUS, House

from assistant.artifacts.command_reports import PairsReport
from assistant.artifacts.pairs import Pair, header_file, holds_preferences, read_header, read_pairs
from assistant.config import AnswerSettings
from assistant.errors import PairsError, UsageError
from assistant.feedback.database import Assessment, Feedback, FeedbackStore, PassageRecord, Vote, shown_of
from assistant.feedback.lessons import waiting
from assistant.store.catalog import Catalog
from assistant.types import Answer, Passage
from ingest.pairs.earlier import drop_forgotten
from ingest.pairs.preference_set import make_preferences, other_citation, other_number, worse_answers

HOTEL = "Who pays for a hotel?"
RIGHT = "We pay a hotel room up to 95 euros a night."
WRONG = "The mayor pays with coins."
REFUSALS = AnswerSettings().refusal


@pytest.fixture
def store(house: House) -> FeedbackStore:
    return FeedbackStore(house.workspace.whole)


def shown(house: House, text: str, question: str = HOTEL, refused: bool = False) -> Answer:
    return Answer(question, question, text, (), tuple(house.search(question)[:3]), refused=refused)


def vote(house: House, store: FeedbackStore, first: str, second: str, choice: Any = "first", **changes: Any) -> None:
    passages = shown_of(shown(house, first), {})
    made = Vote("ana", CORPUS, HOTEL, "base", "house", first, second, choice, True, HOTEL, passages)
    store.add_vote(replace(made, **changes))


def judge(house: House, store: FeedbackStore, text: str, said: Assessment, accept: bool = False) -> Feedback:
    number = store.add("ana", CORPUS, shown(house, text), VERSIONS, said, {})
    return store.accept(number, "eve") if accept else store.get(number)


def make(house: House, *sets: Path, name: str = "liked", people_only: bool = False) -> PairsReport:
    file = house.workspace.pairs_file(name)
    with closing(Catalog(house.workspace.corpus(CORPUS))) as catalog:
        return make_preferences(house.workspace, catalog, house.settings, file, sets, people_only)


def made(house: House) -> list[Pair]:
    return read_pairs(house.workspace.pairs_file("liked"))


def test_a_vote_is_a_preference_with_the_passages_that_were_shown(house: House, store: FeedbackStore) -> None:
    vote(house, store, WRONG, RIGHT, "second")
    report = make(house)
    (one,) = made(house)
    assert (one.source, one.instruction, one.rejected) == ("vote", HOTEL, WRONG)
    assert one.golden and one.response == f"We pay a hotel room up to 95 euros a night [{one.golden}]."
    assert one.passages[one.golden - 1].document == one.document == "fire.md"
    assert [passage.text for passage in one.passages] == [hit.text for hit in house.search(HOTEL)[:3]]
    assert (report.counts, report.total) == ({"vote": 1}, 1) and holds_preferences(Path(report.file))


def test_corrections_count_once_they_are_accepted_and_thumbs_unless_rejected(
    house: House, store: FeedbackStore
) -> None:
    correction = Assessment("wrong", ("wrong_source",), "", RIGHT, ())
    one = judge(house, store, WRONG, correction)
    judge(house, store, RIGHT, Assessment("right"))
    store.reject(judge(house, store, "Nobody pays.", Assessment("wrong", ("tone",))).id, "eve")
    make(house)
    assert {(pair.source, bool(pair.response), bool(pair.rejected)) for pair in made(house)} == {
        ("thumb", True, False),
        ("thumb", False, True),
    }
    assert waiting(house.workspace, CORPUS, REFUSALS) == {"thumb": 2}
    store.accept(one.id, "eve")
    make(house)
    assert {(pair.source, bool(pair.response), bool(pair.rejected)) for pair in made(house)} == {
        ("feedback", True, True),
        ("thumb", True, False),
    }
    assert waiting(house.workspace, CORPUS, REFUSALS) == {"feedback": 1, "thumb": 1}
    assert waiting(house.workspace, CORPUS, REFUSALS, "2999-01-01T00:00:00+00:00") == {}
    assert waiting(house.workspace, "another", REFUSALS) == {}


def test_a_correction_that_reads_as_the_answer_does_not_teach_that_it_is_wrong(
    house: House, store: FeedbackStore
) -> None:
    judge(house, store, RIGHT, Assessment("wrong", ("tone",), "", f"{RIGHT} ", ()), accept=True)
    assert waiting(house.workspace, CORPUS, REFUSALS) == {}
    with pytest.raises(PairsError, match="1 chosen equals rejected"):
        make(house)


def test_an_answer_that_the_documents_do_not_have_is_worse_than_a_refusal(house: House, store: FeedbackStore) -> None:
    judge(house, store, WRONG, Assessment("wrong", ("not_in_source",)), accept=True)
    make(house)
    (one,) = made(house)
    assert one.response == house.settings.answer.refusal["en"] and one.rejected == WRONG and one.golden is None


def test_what_teaches_nothing_is_dropped_and_told(house: House, store: FeedbackStore) -> None:
    vote(house, store, RIGHT, WRONG, "neither")
    vote(house, store, RIGHT, RIGHT)
    vote(house, store, RIGHT, "we pay a hotel room, up to 95 euros a night!")
    vote(house, store, RIGHT, WRONG, evidence=())
    vote(house, store, WRONG, RIGHT)
    gone = replace(shown_of(shown(house, RIGHT), {})[0], text="Hotels are paid in gold.")
    vote(house, store, RIGHT, WRONG, evidence=(gone,))
    with pytest.raises(PairsError, match="1 chosen equals rejected, 1 neither is better"):
        make(house)
    vote(house, store, RIGHT, "We pay breakfast.")
    report = make(house)
    assert report.total == 1 and report.dropped == {
        "neither is better": 1,
        "chosen equals rejected": 1,
        "they differ in signs alone": 1,
        "passages were not kept, or differed": 1,
        "a document has changed": 1,
        "the passages do not say what was chosen": 1,
    }


def test_people_who_contradict_each_other_teach_nothing(house: House, store: FeedbackStore) -> None:
    other = "We pay a hotel room."
    vote(house, store, RIGHT, other)
    vote(house, store, RIGHT, other, "second", user="ben")
    judge(house, store, RIGHT, Assessment("right"))
    judge(house, store, RIGHT, Assessment("wrong", ("tone",)))
    with pytest.raises(PairsError, match="4 people contradict each other"):
        make(house)


def test_worse_answers_have_one_fault_each_and_the_same_for_a_seed(house: House) -> None:
    house.make()
    report = make(house, house.file)
    worse = made(house)
    assert set(report.kinds) == {"citation", "number", "unsupported"} and report.counts == {"synthetic": len(worse)}
    own = {(pair.instruction, pair.response): pair for pair in house.pairs}
    for one in worse:
        pair = own[one.instruction, one.response]
        assert (one.split, one.passages, one.golden) == (pair.split, pair.passages, pair.golden) and one.rejected
        if one.kind == "unsupported":
            assert one.rejected.startswith(one.response)
        else:
            assert len(one.rejected) == len(one.response) and one.rejected != one.response
    before = Path(report.file).read_bytes()
    make(house, house.file)
    assert Path(report.file).read_bytes() == before
    header = read_header(Path(report.file))
    assert header is not None and header.preferences and set(header.documents) >= {one.document for one in worse}


PAIR = Pair(
    "a", "How long?", "Claims are reported within 14 days [1].", "structure", golden=1, language="en", document="a.md",
    passages=tuple(Passage(f"{name}.md", 0, 60, "Terms", text) for name, text in (
        ("a", "Claims are reported within 14 days."), ("b", "The roof is covered."),
        ("c", "Claims are reported within 14 days, says the glossary."),
    )),
)  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_a_wrong_citation_names_no_passage_that_says_so_too(seed: int) -> None:
    (citation, number) = worse_answers([PAIR], seed)
    assert (citation.kind, citation.rejected) == ("citation", "Claims are reported within 14 days [2].")
    assert (
        number.kind == "number" and number.rejected[:27] == PAIR.response[:27] and number.rejected.endswith("days [1].")
    )
    assert number.rejected != PAIR.response


def test_where_a_fault_is_none_no_answer_is_made() -> None:
    from assistant.artifacts.pairs import evidence_of

    same = replace(PAIR, passages=(PAIR.passages[0], PAIR.passages[2]))
    assert other_citation(same, [evidence_of(one, n, "en") for n, one in enumerate(same.passages, 1)], 0) == ""
    plain = replace(PAIR, response="The roof is covered [2].", golden=2)
    assert other_number(plain, [evidence_of(one, n, "en") for n, one in enumerate(plain.passages, 1)], 0) == ""
    assert list(worse_answers([replace(PAIR, response="The moon is made of cheese [1].")], 0)) == []
    assert list(worse_answers([replace(PAIR, golden=None)], 0)) == []


def shown_of_documents(house: House, *names: str) -> tuple[PassageRecord, ...]:
    """A passage of each document, those of fire.md about hotels."""
    hits = house.search(HOTEL)
    chosen = [next(hit for hit in hits if hit.document == f"{name}.md") for name in names]
    return shown_of(
        replace(shown(house, RIGHT), hits=tuple(replace(hit, rank=n) for n, hit in enumerate(chosen, 1))), {}
    )


@pytest.mark.parametrize("people_only", [True, False])
def test_what_is_held_out_is_not_learnt_from_what_people_prefer(
    house: House, store: FeedbackStore, people_only: bool
) -> None:
    house.make(hold_out=("fire.md",))
    trained_on = {one.document for one in house.pairs if one.split == "train"} - {""}
    other = next(hit.document for hit in house.search(HOTEL) if hit.document in trained_on).removesuffix(".md")
    vote(house, store, RIGHT, WRONG, evidence=shown_of_documents(house, "fire"))
    vote(house, store, RIGHT, "Nobody pays.", evidence=shown_of_documents(house, "fire", other))
    report = make(house, house.file, people_only=people_only)
    assert {one.split for one in made(house) if "fire.md" in one.documents} == {"test"}
    assert report.counts["vote"] == 1 and report.dropped["leak: documents of several splits"] == 1
    assert bool(report.counts.get("synthetic")) != people_only


def test_splits_are_those_of_all_sets_and_the_most_precious_where_they_differ(
    house: House, store: FeedbackStore
) -> None:
    house.make(hold_out=("hail.md",))
    first = house.workspace.pairs_file("first")
    first.write_bytes(house.file.read_bytes())
    header_file(first).write_bytes(header_file(house.file).read_bytes())
    house.make(hold_out=("fire.md",))
    vote(house, store, RIGHT, WRONG, evidence=shown_of_documents(house, "fire"))
    make(house, first, house.file)
    splits = {one.split for one in made(house) if one.documents & {"fire.md", "hail.md"}}
    assert splits == {"test"}


def test_a_question_of_a_held_out_document_is_not_learnt_with_others(house: House, store: FeedbackStore) -> None:
    house.make(hold_out=("hail.md",))
    asked = next(one.instruction for one in house.pairs if one.split == "test")
    vote(house, store, RIGHT, WRONG, question=asked, standalone_question=asked,
         evidence=shown_of_documents(house, "fire"))  # fmt: skip
    report = make(house, house.file)
    assert report.dropped["leak: question"] == 1 and "vote" not in report.counts and not any(report.leaks.values())


def test_pairs_that_documents_no_longer_say_get_no_worse_answers(living: House) -> None:
    living.make()
    make(living, living.file)
    before = [one for one in made(living) if "fire.md" in one.documents]
    text = (living.docs / "fire.md").read_text(encoding="utf-8")
    (living.docs / "fire.md").write_text(text.replace("95 euros", "99 euros"), encoding="utf-8")
    (living.docs / "hail.md").unlink()
    living.ingest()
    report = make(living, living.file)
    after = [one for one in made(living) if "fire.md" in one.documents]
    assert before and not any("95 euros" in passage.text for one in after for passage in one.passages)
    assert report.dropped["pairs whose document has changed"] > 0 and not any(
        "hail.md" in one.documents for one in after
    )


def test_what_a_person_edited_stays_and_other_sets_are_not_overwritten(house: House, store: FeedbackStore) -> None:
    vote(house, store, RIGHT, WRONG)
    report = make(house)
    file = Path(report.file)
    row = json.loads(file.read_text())
    file.write_text(json.dumps({**row, "rejected": "Nobody pays for anything."}) + "\n", encoding="utf-8")
    assert make(house).edited == 1 and {one.rejected for one in made(house)} == {"Nobody pays for anything."}
    house.make()
    with pytest.raises(UsageError, match="no preferences"):
        make(house, name=CORPUS)


def test_the_command_makes_the_set_and_training_asks_for_it(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.make()
    place = f"--workspace={house.workspace.root}"
    status, out, _ = run(capsys, "pairs", "preferences", f"--corpus={CORPUS}", place)
    assert status == 0 and "synthetic" in out and "unsupported" in out
    status, _, error = run(capsys, "pairs", "preferences", f"--corpus={CORPUS}", "--people-only", "--name=ours", place)
    assert status == 1 and "nobody has said anything yet" in error
    trained(house.workspace, "house", CORPUS, corpus=CORPUS)
    gathered = house.workspace.pairs_file(f"{CORPUS}-preferences")
    gathered.unlink()
    status, _, error = run(capsys, "train", "method=dpo", "--check", place)
    assert status == 1 and "a check gathers none" in error and not gathered.exists()
    asked: list[dict[str, Any]] = []

    def train(_: Any, __: Any, values: dict[str, Any], *___: Any) -> None:
        asked.append(values)

    monkeypatch.setattr("train.finetune.train", train)
    status, _, error = run(capsys, "train", "method=dpo", place)
    assert (status, asked) == (0, [{"method": "dpo", "adapter": "house", "pairs": f"{CORPUS}-preferences"}])
    assert "preferences in" in error
    header_file(house.file).unlink()
    house.file.unlink()
    status, _, error = run(capsys, "train", "method=dpo", place)
    assert (
        status == 1
        and "are gone (house), and with them what is held out" in error
        and "assistant pairs --corpus" in error
    )
    status, _, error = run(capsys, "pairs", "preferences", f"--corpus={CORPUS}", "--people-only", "--name=ours", place)
    assert status == 1 and "all are trained on" in error


def test_preferences_about_a_forgotten_document_go_with_it(living: House) -> None:
    living.make()
    make(living, living.file)
    assert any("fire.md" in pair.documents for pair in made(living))
    (living.docs / "fire.md").unlink()
    living.ingest()
    assert drop_forgotten(living.workspace, CORPUS)["liked"] > 0
    left = made(living)
    assert left and all(pair.rejected and "fire.md" not in pair.documents for pair in left)
    assert holds_preferences(living.workspace.pairs_file("liked"))

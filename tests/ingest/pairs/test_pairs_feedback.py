"""Accepted corrections reach the next pairs and the next cases, and never both for one adapter."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from opinions import VERSIONS
from pairing import CORPUS, House

from assistant.artifacts.pairs import Pair
from assistant.feedback.database import Assessment, FeedbackStore
from assistant.feedback.lessons import cases_file, lessons, pairs_file
from assistant.store.catalog import Catalog
from assistant.types import Answer
from eval.cases import Case, read_cases
from eval.contamination import unlearnt


def ask(house: House, question: str, most: int = 2) -> Answer:
    """An answer that says nothing right, with the passages that the corpus has for a question."""
    hits = tuple(house.search(question)[:most])
    return Answer(question, question, "I have no idea.", (), hits)


def correct(house: House, question: str, correction: str) -> int:
    """Correct an answer by the passages that say so, and have it accepted."""
    shown = ask(house, question)
    source = next(hit.rank for hit in shown.hits if correction in hit.text)
    store = FeedbackStore(house.workspace.whole)
    number = store.add("ana", CORPUS, shown, VERSIONS, Assessment("wrong", (), "", correction, (source,)), {})
    store.accept(number, "eve")
    return number


CORRECTIONS = {
    "Who cleans curtains that smoke has spoilt?": "If smoke has spoilt the curtains, the cleaner comes at our expense.",
    "What must a bicycle be chained to at night?": "A bicycle must be chained to a fixed object at night.",
    "By when must suitcases be reported?": "Lost suitcases must be reported at the airport counter within 21 days.",
    "What is reimbursed for crowns of ceramics?": "Crowns of ceramics are reimbursed up to 480 euros.",
    "What must a garden shed stand on?": "A garden shed must stand on a concrete base.",
    "What must the appraiser photograph?": "The appraiser must photograph every dent within 14 days.",
}


@pytest.fixture
def taught(house: House) -> House:
    """A house with a correction about each of its six documents."""
    for question, correction in CORRECTIONS.items():
        correct(house, question, correction)
    return house


def made(house: House) -> list[Pair]:
    """Pairs made from the corpus and its corrections."""
    with closing(Catalog(house.workspace.corpus(CORPUS))) as catalog:
        corrections = pairs_file(house.workspace, catalog)
    house.make(corrections=corrections)
    return house.pairs


def cases(house: House) -> list[Case]:
    with closing(Catalog(house.workspace.corpus(CORPUS))) as catalog:
        file = cases_file(house.workspace, catalog)
    return read_cases(file) if file else []


def test_a_correction_becomes_a_pair_that_shows_its_passage(taught: House) -> None:
    pairs = {pair.instruction: pair for pair in made(taught) if pair.source == "feedback"}
    assert pairs.keys() == CORRECTIONS.keys()
    pair = pairs["What must a garden shed stand on?"]
    assert pair.document == "garden.md" and pair.golden is not None
    golden = pair.passages[pair.golden - 1]
    assert (golden.document, golden.context.partition(" > ")[0]) == ("garden.md", "Gardens")
    assert "concrete base" in golden.text and pair.response.startswith("A garden shed must stand on a concrete base")


def test_a_correction_is_in_the_split_of_its_document(taught: House) -> None:
    pairs = made(taught)
    splits = {pair.document: pair.split for pair in pairs if pair.source == "structure"}
    some = [pair for pair in pairs if pair.source == "feedback"]
    assert all(splits.get(pair.document, pair.split) == pair.split for pair in some)
    assert len({pair.split for pair in some}) > 1, "or this shows nothing"


def test_no_correction_is_both_learnt_and_measured_with(taught: House) -> None:
    pairs = made(taught)
    learnt = {pair.instruction for pair in pairs if pair.source == "feedback" and pair.split != "test"}
    measured = {case.question for case in unlearnt(cases(taught), pairs)}
    assert learnt and measured
    assert not learnt & measured
    assert learnt | measured <= CORRECTIONS.keys()


def test_what_nobody_accepted_or_someone_rejected_teaches_nothing(house: House) -> None:
    question, correction = next(iter(CORRECTIONS.items()))
    number = correct(house, question, correction)
    assert len(cases(house)) == 1 and any(pair.source == "feedback" for pair in made(house))
    FeedbackStore(house.workspace.whole).reject(number, "eve")
    assert not cases(house) and not any(pair.source == "feedback" for pair in made(house))
    assert not list((house.workspace.root / "feedback").iterdir()), "the files go too"


def test_the_last_correction_of_a_question_stands(house: House) -> None:
    question = "What is paid for crowns?"
    correct(house, question, "Crowns of ceramics are reimbursed up to 480 euros.")
    correct(house, question, "Gold is paid if the dentist explains why.")
    (case,) = cases(house)
    assert case.answers == ("Gold is paid if the dentist explains why.",)


@pytest.mark.slow
def test_a_document_that_says_otherwise_or_is_gone_takes_its_corrections_along(living: House) -> None:
    for question, correction in list(CORRECTIONS.items())[:2]:
        correct(living, question, correction)
    assert len(cases(living)) == 2
    (living.docs / "fire.md").write_text("# Fire\n\n## Smoke\n\nSmoke is not insured any more.\n", encoding="utf-8")
    (living.docs / "bicycle.md").unlink()
    living.ingest()
    with closing(Catalog(living.workspace.corpus(CORPUS))) as catalog:
        assert lessons(living.workspace, catalog) == []
    assert not any(pair.source == "feedback" for pair in made(living))


def test_corrections_of_another_corpus_stay_there(taught: House, tmp_path: Path) -> None:
    with closing(Catalog(tmp_path / "other")) as catalog:
        assert cases_file(taught.workspace, catalog) is None


def test_where_documents_are_held_out_no_row_of_another_is_tested_with(house: House, tmp_path: Path) -> None:
    words = [
        f"{first}{second}" for first in ("bor", "dal", "fen", "gur", "mip", "zot") for second in ("ax", "el", "on")
    ]
    rows = [{"instruction": f"Who invented the {word}?", "response": f"Professor {word}ski."} for word in words]
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    splits = []
    for hold_out in ((), ("fire.md",)):
        house.make(data=(str(tmp_path / "set.jsonl"),), hold_out=hold_out, test=0.4)
        splits.append({pair.split for pair in house.pairs if pair.source == "set"})
    assert "test" in splits[0] and "test" not in splits[1]

"""What became of a correction is read from pairs, cards and reports as they are, and nothing is claimed beyond them."""

import json
from dataclasses import replace

import pytest
from cards import trained
from commands import run
from opinions import say

from assistant.artifacts.pairs import Pair, PairsHeader, Split, write_pairs
from assistant.feedback.database import Assessment, Feedback, FeedbackStore
from assistant.feedback.lineage import Lineage, Uptake
from assistant.text.printing import with_marker
from assistant.workspace import Workspace

WANTED = "We pay a hotel room up to 95 euros a night."
NOTHING = Uptake({}, (), (), "", {})


@pytest.fixture
def accepted(workspace: Workspace) -> Feedback:
    number = say(workspace.root, Assessment("wrong", ("tone",), "", WANTED, (1,)))
    return FeedbackStore(workspace).accept(number, "eve")


def pairs_of(workspace: Workspace, one: Feedback, split: Split = "train", name: str = "house") -> None:
    own = Pair("a", one.standalone_question, one.wanted, "feedback", split)
    other = Pair("b", one.standalone_question, one.wanted, "set", "train")
    header = PairsHeader("house", 1, "", 0, {}, {}, {}, {}, "")
    write_pairs(workspace.pairs_file(name), [own, other] if split == "train" else [own], header)


def report_of(workspace: Workspace, name: str, one: Feedback, outcome: str, **case: object) -> None:
    asked = {"id": f"feedback-{one.id}", "question": "?", "answers": [one.wanted], "unanswerable": False, **case}
    rows = [{"case": {"id": "s-1"}}, {"case": asked, "answers": {"base+rag": {"outcome": outcome}}}]
    folder = workspace.root / "reports" / name
    folder.mkdir(parents=True)
    lines = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    (folder / "per_question.jsonl").write_text(lines, encoding="utf-8")


def test_of_a_correction_that_nothing_has_used_nothing_is_said(workspace: Workspace, accepted: Feedback) -> None:
    assert Lineage(workspace).of(accepted) == NOTHING
    (workspace.adapters / "damaged").mkdir(parents=True)
    trained(workspace, "elsewhere", "our pairs", pairs_hash="another")  # no name of a set here
    workspace.pairs.mkdir()
    workspace.pairs_file("damaged").write_text("{}\n", encoding="utf-8")
    (workspace.root / "reports" / "damaged").mkdir(parents=True)
    (workspace.root / "reports" / "damaged" / "per_question.jsonl").write_text('{"case":{"id":"feedback-1"}}\n')
    assert Lineage(workspace).of(accepted) == NOTHING


def test_an_adapter_learnt_it_whose_pairs_hold_it_to_learn_from(workspace: Workspace, accepted: Feedback) -> None:
    pairs_of(workspace, accepted)
    trained(workspace, "house", "house")
    found = Lineage(workspace).of(accepted)
    assert (found.pairs, found.adapters, found.uncertain) == ({"house": "train"}, ("house",), ())
    assert Lineage(workspace).of(replace(accepted, edited="Otherwise.")) == NOTHING, "it read otherwise then"


def test_a_correction_is_known_in_pairs_that_name_its_passages(workspace: Workspace, accepted: Feedback) -> None:
    marked = Pair("a", accepted.standalone_question, with_marker(WANTED, [2]), "feedback", "train")
    write_pairs(workspace.pairs_file("house"), [marked], PairsHeader("house", 1, "", 0, {}, {}, {}, {}, ""))
    trained(workspace, "house", "house")
    assert Lineage(workspace).of(accepted).adapters == ("house",)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_what_was_held_back_was_not_learnt(workspace: Workspace, accepted: Feedback, split: Split) -> None:
    pairs_of(workspace, accepted, split)
    trained(workspace, "house", "house")
    found = Lineage(workspace).of(accepted)
    assert (found.pairs, found.adapters) == ({"house": split}, ())


def test_of_pairs_that_were_made_anew_nobody_knows_who_learnt_them(workspace: Workspace, accepted: Feedback) -> None:
    pairs_of(workspace, accepted)
    trained(workspace, "house", "house", pairs_hash="another")
    trained(workspace, "sum", "house", pairs_hash="", components=(("house", 1.0),))
    found = Lineage(workspace).of(accepted)
    assert (found.adapters, found.uncertain) == ((), ("house", "sum"))


def test_the_last_report_that_asked_it_as_it_reads_now_says_how_it_is_answered(
    workspace: Workspace, accepted: Feedback
) -> None:
    report_of(workspace, "first", accepted, "usable")
    report_of(workspace, "second", accepted, "misleading")
    report_of(workspace, "third", accepted, "usable", answers=["As it was asked before it was edited."])
    found = Lineage(workspace).of(accepted)
    assert (found.report, found.answered) == ("second", {"base+rag": "misleading"})


def test_a_refusal_that_was_asked_for_is_known_again(workspace: Workspace) -> None:
    number = say(workspace.root, Assessment("wrong", ("not_in_source",)))
    refused = FeedbackStore(workspace).accept(number, "eve")
    report_of(workspace, "one", refused, "usable", answers=[], unanswerable=True)
    assert Lineage(workspace).of(refused).answered == {"base+rag": "usable"}


def test_the_command_says_it_too(workspace: Workspace, accepted: Feedback, capsys: pytest.CaptureFixture[str]) -> None:
    pairs_of(workspace, accepted)
    trained(workspace, "house", "house")
    report_of(workspace, "first", accepted, "usable")
    _, told, _ = run(capsys, "feedback", "list", "--workspace", str(workspace.root))
    assert "learnt by house; last asked in first: base+rag usable" in told
    _, listed, _ = run(capsys, "feedback", "list", "--json", "--workspace", str(workspace.root))
    assert json.loads(listed)[0]["outcome"]["adapters"] == ["house"]

"""Teaching from the chat to the next training: what a form says, who may decide, and what comes of it."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from cards import trained
from fakes import ScriptedEngine
from serving import ANSWER, HAIL, QUESTION, make_corpora, service_of
from signing import make_people
from working import as_, choosing, run_instead, started

from assistant.artifacts.pairs import Pair, PairsHeader, write_pairs
from assistant.errors import UsageError
from assistant.feedback.database import Assessment
from assistant.feedback.lessons import cases_file, pairs_file
from assistant.service import Query, ServedModel
from assistant.store.catalog import Catalog
from assistant.types import Answer
from assistant.workspace import Workspace
from eval.cases import read_cases
from ingest.pairs.user_sets import read_rows
from ui.context import AppContext, make_context
from ui.pages.teaching import PreferenceActions, TeachingActions
from ui.pages.teaching.view import judgement_of, taught, teaching_html, vote_of
from ui.people import User
from ui.turns import Turn, TurnReply

ANA = User("ana", "expert")
CORRECTION = "The deductible for hail damage is 150 euros."


@pytest.fixture
def context(workspace: Workspace, tmp_path: Path) -> AppContext:
    """The app over one document about hail, with an expert, an editor and an admin."""
    make_corpora(workspace, tmp_path, {"cars": {"hail.md": HAIL}})
    make_people(workspace.root, ana="expert", eve="editor", adam="admin")
    service = service_of(workspace, ScriptedEngine(ANSWER))
    return make_context(workspace, service.settings, (), service)


@pytest.fixture
def turn(context: AppContext) -> Turn:
    """A question that was really answered."""
    *_, answer = context.service.stream(Query(ServedModel("cars"), QUESTION))
    assert isinstance(answer, Answer)
    return Turn(1, QUESTION, (TurnReply("cars", None, answer),))


FORM: dict[str, Any] = {
    "do": "teach", "turn": "1", "verdict": ["wrong"], "faults": ["tone", "incomplete"], "sources": ["1"],
    "correction": [f" {CORRECTION}\n"], "note": [""],
}  # fmt: skip


def test_what_the_form_says_is_kept_with_versions_and_hashes(context: AppContext, turn: Turn) -> None:
    taught(context, ANA, turn, {**FORM, "correction": ["The deductible is 150 euros."]})
    (one,) = context.feedback.listed()
    assert (one.user, one.corpus, one.state) == ("ana", "cars", "new")
    expected = Assessment("wrong", ("tone", "incomplete"), "", "The deductible is 150 euros.", (1,))
    assert one.judgement == expected
    assert one.evidence[0].document == "hail.md" and len(one.evidence[0].hash) == 64
    assert (one.versions.model, one.versions.adapter, one.versions.generation) == ("bundled", None, 1)


def test_a_judgement_is_on_the_model_that_gave_the_answer(context: AppContext, turn: Turn) -> None:
    taught(context, ANA, replace(turn, replies=(replace(turn.standing, model="of-before"),)), FORM)
    assert context.feedback.listed()[0].versions.model == "of-before"


def test_an_answer_is_judged_once(context: AppContext, turn: Turn) -> None:
    with pytest.raises(UsageError, match="already"):
        taught(context, ANA, replace(turn, verdict="right"), FORM)
    assert context.feedback.listed() == []


def test_an_answer_that_was_left_as_it_was_is_no_correction(context: AppContext, turn: Turn) -> None:
    taught(context, ANA, turn, {**FORM, "correction": [turn.standing.answer.text]})
    assert context.feedback.listed()[0].judgement.correction == ""


def test_an_answer_that_was_emptied_is_one_that_the_documents_do_not_have(context: AppContext, turn: Turn) -> None:
    taught(context, ANA, turn, {**FORM, "faults": ["outdated"], "correction": [""]})
    (one,) = context.feedback.listed()
    assert set(one.judgement.faults) == {"outdated", "not_in_source"} and one.wants_refusal


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"verdict": ["wrong"]},
        {"verdict": "splendid"},
        {"verdict": None},
        {"verdict": []},
        {"verdict": {"a": 1}},
        {"verdict": ["wrong"], "sources": ["99"]},
        {"verdict": ["wrong"], "correction": ["x" * 8001]},
    ],
)
def test_what_says_nothing_and_what_no_form_of_ours_can_say_is_refused(
    context: AppContext, turn: Turn, data: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        taught(context, ANA, turn, data)
    assert context.feedback.listed() == []


def test_unknown_faults_and_numbers_are_left_out() -> None:
    said = judgement_of({"verdict": "wrong", "faults": ["tone", "<script>"], "sources": ["1", "-1", "x", "9" * 50]})
    assert said == Assessment("wrong", ("tone",), "", "", (1,))


def test_the_form_names_every_passage_and_holds_the_answer_to_be_changed(context: AppContext, turn: Turn) -> None:
    html = teaching_html(turn, context.text)
    assert html.count('name="sources"') == len(turn.standing.answer.hits) and ANSWER in html
    assert html.count("<label") >= 8 and html.count("<fieldset") == html.count("<legend") == 3


def test_an_accepted_correction_is_a_pair_and_a_case(context: AppContext, turn: Turn) -> None:
    taught(context, ANA, turn, {**FORM, "correction": ["The deductible for hail damage is 150 euros. It applies."]})
    number, actions = context.feedback.listed()[0].id, TeachingActions(context)
    opened = actions.look("new", 0, "", {}, choosing(number), as_("eve"))
    assert "for evaluation only" in "".join(map(str, opened)), "the second sentence stands nowhere"
    shown = actions.accept("new", number, CORRECTION, as_("eve"))
    assert context.feedback.get(number).state == "edited" and context.feedback.get(number).decided_by == "eve"
    assert "an example for training and a question" in "".join(map(str, shown))
    with closing(Catalog(context.workspace.corpus("cars"))) as catalog:
        pairs, cases = pairs_file(context.workspace, catalog), cases_file(context.workspace, catalog)
    assert pairs is not None and cases is not None
    (row,), _ = read_rows(pairs, strict=True)
    assert (row.instruction, row.response, row.document) == (QUESTION, CORRECTION, "hail.md")
    assert [case.answers for case in read_cases(cases)] == [(CORRECTION,)]


def test_the_page_says_what_became_of_a_correction(context: AppContext, turn: Turn) -> None:
    taught(context, ANA, turn, FORM)
    one, actions = context.feedback.listed()[0], TeachingActions(context)

    def opened() -> str:
        return "".join(map(str, actions.look("all", 0, "", {}, choosing(one.id), as_("eve"))))

    assert "What became of it" not in opened(), "nobody has decided yet"
    actions.accept("new", one.id, CORRECTION, as_("eve"))
    assert "No adapter has learnt it yet." in opened() and "No evaluation has asked it since." in opened()
    pair = Pair("a", QUESTION, CORRECTION, "feedback")
    write_pairs(context.workspace.pairs_file("cars"), [pair], PairsHeader("cars", 1, "", 0, {}, {}, {}, {}, ""))
    trained(context.workspace, "house", "cars")
    report = context.workspace.root / "reports" / "one"
    report.mkdir(parents=True)
    case = {"id": f"feedback-{one.id}", "answers": [CORRECTION], "unanswerable": False}
    row = json.dumps({"case": case, "answers": {"house+rag": {"outcome": "usable"}}})
    (report / "per_question.jsonl").write_text(row, encoding="utf-8")
    told = opened()
    assert (
        "Learnt by the adapter “house”." in told and 'href="#evaluation/one">one</a>: house+rag: <strong>usable' in told
    )
    assert "learnt by house · house+rag: usable" in told, "and the list says it in short"
    german = TeachingActions(context.in_language("de")).look("all", 0, "", {}, choosing(one.id), as_("eve"))
    assert "Gelernt vom Adapter „house“." in "".join(map(str, german))


def test_what_was_written_for_one_is_there_when_it_is_opened_again(context: AppContext, turn: Turn) -> None:
    for _ in range(2):
        taught(context, ANA, turn, FORM)
    (second, first), actions = [one.id for one in context.feedback.listed()], TeachingActions(context)
    eve = as_("eve")

    def wanted(number: int, left: int, written: str, drafts: dict[int, str]) -> tuple[str, dict[int, str]]:
        *shown, kept = actions.look("new", left, written, drafts, choosing(number), eve)
        return next(part.value for part in shown if isinstance(part, gr.Textbox)), kept

    unchanged, drafts = wanted(first, 0, "", {})
    assert wanted(second, first, f" {unchanged}\n", drafts) == (unchanged, {}), "nothing was changed"
    _, drafts = wanted(second, first, "Half of a better answer", drafts)
    assert wanted(first, second, unchanged, drafts) == ("Half of a better answer", {})


def test_a_rejected_correction_does_not_say_what_it_would_become(context: AppContext, turn: Turn) -> None:
    taught(context, ANA, turn, FORM)
    shown = TeachingActions(context).reject("new", context.feedback.listed()[0].id, as_("eve"))
    assert "Nothing is learnt from this" in "".join(map(str, shown)) and "it becomes" not in "".join(map(str, shown))


def test_only_those_who_may_decide_see_and_decide(context: AppContext, turn: Turn) -> None:
    taught(context, ANA, turn, FORM)
    number, actions = context.feedback.listed()[0].id, TeachingActions(context)
    for name in ("ana", "nobody", ""):
        with pytest.raises(gr.Error):
            actions.look("new", 0, "", {}, choosing(number), as_(name))
        with pytest.raises(gr.Error):
            actions.accept("new", number, "", as_(name))
        with pytest.raises(gr.Error):
            actions.reject("new", number, as_(name))
    assert QUESTION not in "".join(map(str, actions.listed("new", as_("ana"))))
    assert context.feedback.get(number).state == "new"
    for name in ("eve", "adam"):
        assert QUESTION in "".join(map(str, actions.listed("new", as_(name))))


def test_what_is_open_stays_when_the_page_is_looked_at_again(context: AppContext, turn: Turn) -> None:
    taught(context, ANA, turn, FORM)
    number = context.feedback.listed()[0].id
    counts, listed = TeachingActions(context).seen("new", number, as_("eve"))
    assert "1 to look at" in counts and f'data-choice="{number}" aria-pressed="true"' in listed
    assert TeachingActions(context).seen("new", number, as_("ana")) == ["", ""]


def test_nothing_can_be_decided_about_what_is_not_there(context: AppContext) -> None:
    for number in (0, -1, 7):
        with pytest.raises(gr.Error, match="There is no feedback"):
            TeachingActions(context).accept("new", number, "x", as_("eve"))


def test_a_correction_whose_document_is_gone_says_so(context: AppContext, turn: Turn) -> None:
    taught(context, ANA, turn, FORM)
    for file in context.workspace.corpus("cars").iterdir():
        file.unlink()
    shown = TeachingActions(context).look("new", 0, "", {}, choosing(context.feedback.listed()[0].id), as_("eve"))
    assert "has changed or was removed" in "".join(map(str, shown))


def test_what_documents_say_otherwise_is_up_for_review(context: AppContext, turn: Turn) -> None:
    taught(context, ANA, turn, FORM)
    eve, actions = as_("eve"), TeachingActions(context)
    actions.accept("new", context.feedback.listed()[0].id, CORRECTION, eve)
    assert "0 outdated" in str(actions.listed("outdated", eve)) and QUESTION not in str(actions.listed("outdated", eve))
    for file in context.workspace.corpus("cars").iterdir():
        file.unlink()
    assert "1 outdated" in str(actions.listed("outdated", eve)) and QUESTION in str(actions.listed("outdated", eve))


def test_an_empty_list_says_what_to_do(context: AppContext) -> None:
    assert "Under each answer in the chat" in "".join(map(str, TeachingActions(context).listed("new", as_("eve"))))
    german = TeachingActions(context.in_language("de")).listed("new", as_("eve"))
    assert "Unter jeder Antwort" in "".join(map(str, german))


@pytest.mark.parametrize(("preferred", "choice"), [(0, "first"), (1, "second"), (-1, "neither")])
def test_a_vote_names_who_answered(context: AppContext, turn: Turn, preferred: int, choice: str) -> None:
    reply = turn.standing
    two = Turn(1, QUESTION, (reply, TurnReply("cars", "house", reply.answer)), blind=True, preferred=preferred)
    vote = vote_of(context, ANA, two)
    assert (vote.first, vote.second, vote.choice, vote.blind) == ("base", "house", choice, True)
    assert [one.text for one in vote.evidence] == [hit.text for hit in reply.answer.hits] and vote.evidence[0].hash
    assert vote.standalone_question == reply.answer.standalone_question
    elsewhere = replace(reply.answer, hits=reply.answer.hits[1:])
    other = replace(two, replies=(reply, TurnReply("cars", "house", elsewhere)))
    assert vote_of(context, ANA, other).evidence == (), "the answers were shown different passages"
    with pytest.raises(UsageError):
        vote_of(context, ANA, turn)


def test_the_page_says_how_many_preferences_wait_and_starts_their_training(
    context: AppContext, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply, actions = turn.standing, PreferenceActions(context)
    two = Turn(1, QUESTION, (reply, TurnReply("cars", "house", reply.answer)), blind=True, preferred=0)
    context.feedback.add_vote(replace(vote_of(context, ANA, two), second_answer="No."))
    taught(context, ANA, turn, {**FORM, "correction": [""]})
    empty, told = actions.listed(None, as_("eve"))
    assert (
        empty.choices == []
        and "Not learnt yet: 1 comparisons, 0 corrections and, for method=kto on the command line, 1 thumbs" in told
    )
    for name, changes in (("house", {}), ("whole", {"method": "full"}), ("other", {"base": "another"})):
        trained(context.workspace, name, corpus="cars", pairs_hash="", **changes)
    listed, _ = actions.listed(None, as_("eve"))
    assert [name for name, _ in listed.choices] == ["other", "house"] and listed.value == "other"
    later = {"pairs_hash": "", "created": "2999-01-01T00:00:00Z"}
    trained(context.workspace, "boats-dpo1", corpus="boats", method="dpo", **later)
    assert "1 comparisons" in actions.listed("house", as_("eve"))[1], "it learnt about another corpus"
    trained(context.workspace, "house-dpo1", corpus="cars", method="dpo", **later)
    told = actions.listed("house", as_("eve"))[1]
    assert "0 comparisons, 0 corrections" in told and "1 thumbs" in told, (
        "these were there when it learnt, but for thumbs"
    )
    trained(context.workspace, "house-kto1", corpus="cars", method="kto", **later)
    assert "0 thumbs" in actions.listed("house", as_("eve"))[1]
    run_instead(monkeypatch)
    actions.train("house", as_("eve"))
    given = ["--", "method=dpo", "adapter=house", "name=house-dpo2"]
    assert list(started(context)) == ["train", "--json", *given]
    for name in ("ana", "nobody"):
        assert actions.listed("house", as_(name))[1] == ""
        with pytest.raises(gr.Error):
            actions.train("house", as_(name))

"""Answers that a model in training writes: those that asking gives, and what they are worth."""

from pathlib import Path

import pytest
import torch
from toys import toy_pair, write_toy_pairs

from assistant.artifacts.pairs import Pair
from assistant.config import Settings
from assistant.engines.transformers_engine import TransformersEngine
from assistant.types import Passage
from assistant.workspace import Workspace
from train import validation_answers
from train.model import load_base
from train.plan import named, prepare
from train.run_file import validated
from train.validation_answers import answers_of, is_degenerate, is_usable

PASSAGES = (
    Passage("hail.md", 0, 60, "Hail", "The appraiser must photograph every dent within 14 days."),
    Passage("fire.md", 0, 60, "Fire", "We pay a hotel room up to 95 euros a night."),
)
ASKED = Pair(
    "a",
    "How long does the appraiser have to photograph the dents?",
    "The appraiser must photograph every dent within 14 days [1].",
    "generated",
    passages=PASSAGES,
    golden=1,
    language="en",
)
REFUSED = Pair("b", "Who paints the fence?", "…", "refusal", passages=PASSAGES, language="en")
REFUSAL = "I can't find an answer to this in the documents."


@pytest.mark.parametrize(
    ("pair", "text", "usable"),
    [
        (ASKED, "The appraiser must photograph every dent within 14 days.", True),
        (ASKED, "Every dent has to be photographed by the appraiser within 14 days [1].", True),
        (ASKED, "The appraiser must photograph every dent.", False),
        (ASKED, "The appraiser must photograph every dent within 21 days.", False),
        (ASKED, "We pay a hotel room up to 95 euros a night.", False),
        (ASKED, REFUSAL, False),
        (ASKED, "The appraiser must photograph every dent within 14 days. The next step is a letter to us.", False),
        (REFUSED, REFUSAL, True),
        (REFUSED, "We pay a hotel room up to 95 euros a night.", False),
    ],
)
def test_an_answer_is_usable_if_it_does_what_the_pair_does(pair: Pair, text: str, usable: bool) -> None:
    assert is_usable(text, pair, Settings().answer) is usable


@pytest.mark.parametrize(
    ("text", "degenerate"),
    [
        ("The appraiser must photograph every dent within 14 days [1].", False),
        ("Next step: Next step: Next step: Next step: Next step: Next step: Next step: Next step:", True),
        ("The hail dents the bonnet. The hail dents the bonnet.", True),
        ("Der Gutachter muss jede Delle innerhalb von 14 Tagen fotografieren.", True),
        ("", True),
        ("14 days", False),
    ],
)
def test_an_answer_is_degenerate_if_it_goes_round_or_changes_the_language(text: str, degenerate: bool) -> None:
    assert is_degenerate(text, ASKED) is degenerate


def test_what_a_model_in_training_answers_is_what_asking_gives(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy_pairs(
        place, [toy_pair(0), *(toy_pair(number, "validation", words=9 * number) for number in (1, 2, 3, 4))]
    )
    job = prepare(named(validated({"validation_answers": 3}), place), place, general)
    answers = job.plan.answers
    assert answers is not None and len(answers.asked) == 3
    said: dict[str, str] = {}
    monkeypatch.setattr(
        "train.validation_answers.is_degenerate", lambda text, pair: said.setdefault(pair.id, text) == "never"
    )
    model = load_base(job.folder, general.engine, job.device, job.settings, "cpu")
    assert answers.of(model, 600, torch.float32).sane == 3
    prompts = [pair.messages(general.answer.system, job.template.control_tokens) for _, pair in answers.asked]
    engine = TransformersEngine(general.engine, general.device)
    assert [said[pair.id] for _, pair in answers.asked] == engine.complete(prompts, validation_answers._LONGEST_ANSWER)


def test_pairs_from_documents_are_asked_before_exercises(place: Workspace, general: Settings, base: Path) -> None:  # noqa: ARG001
    exercise = [Pair(f"e{n}", "?", "!", "reading", "validation", passages=PASSAGES) for n in range(5)]
    write_toy_pairs(place, [toy_pair(0), *exercise, toy_pair(17, "validation")])
    job = prepare(named(validated({}), place), place, general)
    for count, ids in ((1, {"p17"}), (0, None)):
        settings = job.settings.model_copy(update={"validation_answers": count})
        answers = answers_of(job.plan.validation, job.pairs, job.template, general.answer, settings)
        assert (answers and {pair.id for _, pair in answers.asked}) == ids

"""The classifier hears a voice, not a topic, and is silent where it hears none."""

import numpy as np
import pytest

from assistant.artifacts.pairs import Pair
from assistant.text.lexicon import vocabulary
from assistant.types import Answer
from eval.cases import Case
from eval.metrics.voice import VoiceText, learn_voice, masked, voice_of
from eval.results import System

TOPICS = {
    "hail": "hail dents the bonnet of the car and the appraiser counts them",
    "fire": "smoke spoils the curtains and soot is painted over",
    "bicycle": "the bicycle was chained with a lock at the station",
    "travel": "the airline lost a suitcase on the flight",
    "teeth": "the dentist makes a crown of ceramics",
    "garden": "a tree fell on the shed and broke the fence",
}


def content(topic: str) -> list[str]:
    return [word for word in topic.split() if word not in vocabulary("stopwords")]


def house(words: list[str]) -> str:
    return f"Yes, we pay for {words[0]} and {words[1]}. Next step: tell us when."


def base(words: list[str]) -> str:
    return f"It is important to note that {words[0]} may be considered in relation to {words[1]}, depending on this."


def texts(voices: dict[bool, object], each: int = 4, mask: bool = True) -> list[VoiceText]:
    generator = np.random.default_rng(1)
    made = []
    for document, topic in TOPICS.items():
        for is_house, speak in voices.items():
            for _ in range(each):
                words = generator.choice(content(topic), 2, replace=False).tolist()
                text = speak(words)  # type: ignore[operator]
                made.append(VoiceText(masked(text, topic, "en") if mask else text, document, is_house))
    return made


def test_two_voices_are_told_apart_in_documents_never_seen() -> None:
    voice = learn_voice(texts({True: house, False: base}))
    assert voice.auc.value is not None
    assert voice.auc.value > 0.95
    mine, other = (voice.score(masked(speak(["snow", "rain"]), "snow rain", "en")) for speak in (house, base))
    assert mine.value is not None and other.value is not None
    assert mine.value > 0.5 > other.value


def test_where_both_speak_alike_the_score_is_withheld() -> None:
    voice = learn_voice(texts({True: house, False: house}))
    assert voice.auc.value is not None
    assert voice.auc.value < 0.75
    assert "AUC" in voice.score("Yes.").reason


def test_what_a_text_is_about_is_no_voice() -> None:
    about_fire, about_hail = TOPICS["fire"], TOPICS["hail"]
    generator = np.random.default_rng(2)

    def told(mask: bool) -> float | None:
        made = []
        for number in range(60):
            topic, is_house = ((about_fire, True), (about_hail, False))[number % 2]
            text = house(generator.choice(content(topic), 2, replace=False).tolist())
            made.append(VoiceText(masked(text, topic, "en") if mask else text, f"d{number % 12}", is_house))
        return learn_voice(made).auc.value

    masked_auc, open_auc = told(mask=True), told(mask=False)
    assert masked_auc is not None and open_auc is not None
    assert open_auc > 0.9
    assert masked_auc < 0.75


def test_stems_of_the_topic_and_figures_are_masked_and_grammar_is_not() -> None:
    text = masked("We pay 150 euros for the claims of a dented car.", "the claim for dents", "en")
    assert text == "we pay ж euros for the ж of a ж car."


@pytest.mark.parametrize("each", [0, 1])
def test_too_few_texts_teach_nothing(each: int) -> None:
    voice = learn_voice(texts({True: house, False: base}, each))
    assert voice.auc.value is None
    assert "are too few" in voice.score("Yes.").reason


def test_the_same_texts_teach_the_same() -> None:
    some = texts({True: house, False: base}, each=2)
    assert learn_voice(some).auc == learn_voice(some).auc
    assert learn_voice(some).score("we pay") == learn_voice(some).score("we pay")


def test_a_text_that_two_adapters_learnt_from_is_heard_once() -> None:
    pairs = [Pair(f"p{number}", f"Question {number}?", f"Yes, {number}.", "tone") for number in range(4)]
    answers = {System("base", "closed book", None): [Answer("Hail?", "Hail?", "Perhaps.", (), (), refused=False)]}
    voice = voice_of([Case("1", "Hail?", ("yes",))], answers, [*pairs, *pairs])
    assert voice is not None and voice.texts == 5

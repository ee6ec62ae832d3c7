"""Greetings and thanks get a friendly word; whatever asks for something is searched for."""

import pytest
from fakes import ScriptedEngine

from assistant.answer import Assistant
from assistant.config import Settings
from assistant.conversation.followups import rewritten
from assistant.conversation.smalltalk import reply, small_talk
from assistant.render.records import answer_json
from assistant.render.transcript import answer_lines, trace_lines
from assistant.retrieval.retriever import Retriever
from assistant.types import Message


@pytest.mark.parametrize(
    ("said", "kind", "language"),
    [
        ("hello", "greeting", "en"),
        ("Hi", "greeting", ""),
        ("Hi there!", "greeting", ""),
        ("  Good morning,  can you help me? ", "introduction", "en"),
        ("Hallo …", "greeting", "de"),
        ("Hi 👋", "greeting", ""),
        ("Who are you?", "introduction", "en"),
        ("What can you do for me?", "introduction", "en"),
        ("Hilfe!", "introduction", "de"),
        ("Hallo zusammen", "greeting", "de"),
        ("Guten Tag!", "greeting", "de"),
        ("Hi, wie geht’s?", "introduction", "de"),
        ("Was können Sie alles?", "introduction", "de"),
        ("thanks", "thanks", "en"),
        ("Thank you very much. Bye!", "thanks", "en"),
        ("Vielen Dank, tschüss", "thanks", "de"),
        ("Danke schön!", "thanks", "de"),
        ("ok, thanks!", "thanks", "en"),
        ("Great, thank you for your help :)", "thanks", "en"),
        ("Alles klar, danke dir", "thanks", "de"),
    ],
)
def test_what_asks_for_nothing_is_known(said: str, kind: str, language: str) -> None:
    assert small_talk(said) == (kind, language)


@pytest.mark.parametrize(
    "said",
    [
        "",
        " ?! ",
        "yes",
        "ok",
        "great!",
        "hihelp",
        "hellothere",
        "ja bitte",
        "Hello, is hail damage covered?",
        "Hail",
        "High",
        "Hilfe bei Unfall",
        "help desk hours",
        "Danke, und wie lange?",
        "thanks to whom is the fee waived",
        "Who are you insured with?",
        "What can you do about hail?",
        "Hello " * 40,
        "goodbye clause",
    ],
)
def test_what_may_ask_for_something_is_searched_for(said: str) -> None:
    assert small_talk(said) is None


def test_the_reply_is_the_house_s_own_in_the_language_spoken() -> None:
    texts = ({"en": "Hello.", "de": "Moin."}, {"en": "Always."})
    assert reply("Hallo", (), *texts) == "Moin."
    assert reply("hi", (), *texts) == "Hello."
    assert reply("hi", [Message("user", "Ist Hagel an meinem Auto versichert?")], *texts) == "Moin."
    assert reply("Danke", (), *texts) == "Always."
    assert reply("Hallo, was kostet das?", (), *texts) == ""
    assert reply("Hallo", (), {}, {}) == ""


def test_in_a_conversation_a_call_for_help_asks_for_something(settings: Settings) -> None:
    texts = settings.answer.greeting, settings.answer.thanks
    assert reply("Can you help me?", (), *texts)
    stolen = [Message("user", "My bicycle was stolen."), Message("assistant", "Report it.")]
    assert reply("Can you help me?", stolen, *texts) == ""
    assert reply("thanks", stolen, *texts)


def test_small_talk_is_answered_without_search_and_model(settings: Settings) -> None:
    class Nothing:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was asked for")

    retriever: Retriever = Nothing()  # type: ignore[assignment]
    assistant = Assistant(retriever, lambda: ScriptedEngine("never"), settings.answer, settings.engine)
    answer = assistant.ask("Guten Morgen!")
    assert answer.text == settings.answer.greeting["de"]
    assert answer.small_talk and not answer.refused and not answer.hits
    assert answer_lines(answer) == [answer.text]
    assert answer_json(None, answer)["small_talk"] is True
    assert "nothing was searched" in trace_lines(answer)[0]


def test_a_conversation_that_began_with_a_greeting_leans_on_its_questions_only() -> None:
    history = [
        Message("user", "What is the deductible for hail damage?"),
        Message("assistant", "150 euros."),
        Message("user", "thanks a lot"),
        Message("assistant", "You're welcome."),
    ]
    assert "storm" in rewritten("and for storm damage?", history).standalone
    assert "deductible" in rewritten("and for storm damage?", history).standalone
    greeted = [Message("user", "Hello"), Message("assistant", "Hello.")]
    assert rewritten("and for students?", greeted).standalone == "and for students?"

"""Answers: evidence first, the model second, and a refusal where there is none."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fakes import FakeEmbedder, ScriptedEngine

from assistant.answer import Assistant
from assistant.config import Settings
from assistant.conversation.followups import latest
from assistant.errors import PromptTooLongError, QuestionTooLongError
from assistant.grounding.grounder import Grounder
from assistant.grounding.repetition import Repetition, goes_in_circles
from assistant.render.records import answer_json
from assistant.render.streaming import SettledText
from assistant.render.transcript import answer_lines, conversation_markdown
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Answer, Grounded, Message, Retrieved, Words
from assistant.untrusted.markup import unlinked
from assistant.workspace import Workspace
from ingest.pipeline import ingest

HAIL = "Hail damage to the car is covered. The deductible for hail damage is 150 euros."
TRIPS = "A trip may last up to 56 days. Longer trips need a travel contract of their own."
PETS = "Dogs of the household are insured. Horses are not insured under this policy."


@pytest.fixture
def retriever(workspace: Workspace, docs: Path, settings: Settings) -> Iterator[Retriever]:
    for name, text in (("hail", HAIL), ("trips", TRIPS), ("pets", PETS)):
        (docs / f"{name}.md").write_text(f"# {name.title()}\n\n{text}\n")
    embedder = FakeEmbedder()
    ingest(workspace, "default", [docs], settings, embedder=embedder)
    catalog = Catalog(workspace.corpus("default"))
    yield Retriever(catalog, embedder, settings.retrieval, settings.device)
    catalog.close()


def assistant_of(retriever: Retriever, engine: ScriptedEngine, settings: Settings) -> Assistant:
    return Assistant(retriever, lambda: engine, settings.answer, settings.engine)


def repetition_of(text: str) -> Repetition:
    found = Repetition()
    found.read(text)
    return found


def test_a_refusal_names_nobody_that_the_next_question_could_be_about(retriever: Retriever, settings: Settings) -> None:
    refused = settings.answer.refusal["de"]
    past = [Message("user", "Wer genehmigt Rechnungen?"), Message("assistant", refused)]
    answer = assistant_of(retriever, ScriptedEngine("Nein."), settings).ask("Wie erreiche ich ihn?", past)
    assert refused.rstrip(".") not in answer.standalone_question


def test_an_answer_cites_the_passage_that_says_it(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine("The deductible for hail damage is 150 euros.")
    answer = assistant_of(retriever, engine, settings).ask("What is the deductible for hail damage?")
    assert not answer.refused
    (sentence,) = answer.sentences
    (citation,) = sentence.citations
    assert citation.document == "hail.md"
    stored = retriever.catalog.text(retriever.catalog.files()[0].document_id or 0)
    assert stored[citation.start : citation.end] == citation.quote
    assert "150 euros" in citation.quote


def test_citations_are_only_of_passages_that_were_in_the_prompt(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine("A trip may last up to 56 days. Horses are not insured. The moon is made of cheese.")
    answer = assistant_of(retriever, engine, settings).ask("How long may a trip last?")
    (prompt,) = engine.prompts
    for sentence in answer.sentences:
        for citation in sentence.citations:
            assert citation.quote in prompt[-1].content
    assert not answer.sentences[-1].supported


def test_weak_evidence_is_refused_without_calling_the_model(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine("Paris.")
    answer = assistant_of(retriever, engine, settings).ask("What is the capital of Peru?")
    assert answer.refused and answer.refusal_reason and not answer.sentences
    assert answer.text.startswith(settings.answer.refusal["en"])
    assert answer.hits, "the nearest passages are shown"
    assert engine.prompts == []
    assert not answer.notes
    in_german = assistant_of(retriever, engine, settings).ask("Was ist die Hauptstadt von Peru?")
    assert in_german.refused and "Englisch" in in_german.notes[0], "the documents are in English"
    assert "Englisch" in " ".join(answer_lines(in_german))


def test_words_that_nothing_supports_give_way_to_a_quotation(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine("Bananas grow on every motorway of the galaxy.")
    answer = assistant_of(retriever, engine, settings).ask("What is the deductible for hail damage?")
    assert answer.quoted and "150 euros" in answer.text
    assert answer.sentences[0].citations[0].document == "hail.md"
    shown = settings.answer.model_copy(update={"unsupported": "show"})
    answer = Assistant(retriever, lambda: engine, shown, settings.engine).ask("What is the deductible for hail damage?")
    assert not answer.quoted and not answer.sentences[0].supported


@pytest.mark.parametrize("said", ["No.", "No, horses are not insured under this policy."])
def test_yes_or_no_stands_above_the_place_that_says_it(said: str, retriever: Retriever, settings: Settings) -> None:
    answer = assistant_of(retriever, ScriptedEngine(said), settings).ask("Are horses insured under this policy?")
    assert answer.text == f"{said}\n{PETS}" and not answer.quoted
    assert [one.supported for one in answer.sentences] == [True, True]
    said = "The deductible for hail damage is 150 euros."
    assert assistant_of(retriever, ScriptedEngine(said), settings).ask("What is the deductible for hail?").text == said


def test_a_supported_answer_to_another_question_gives_way_to_a_quotation(
    retriever: Retriever, settings: Settings
) -> None:
    engine = ScriptedEngine("Dogs of the household are insured.")
    answer = assistant_of(retriever, engine, settings).ask("What is the deductible for hail damage?")
    assert answer.quoted and "150 euros" in answer.text
    answer = assistant_of(retriever, engine, settings).ask("Are dogs of the household insured?")
    assert not answer.quoted and answer.text.startswith(engine.answer)


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("The moon lends 150 euros for cheese.", True),
        ("The moon lends 900 euros for cheese.", False),
        ("The deductible for hail damage is 900 euros.", False),
        ("The moon lends cheese.", True),
    ],
)
def test_a_quotation_without_the_figure_that_a_model_reads_is_no_answer(
    said: str, quoted: bool, retriever: Retriever, settings: Settings
) -> None:
    question = "What is the deductible for hail damage?"
    for model, is_quoted in (("qwen2.5-coder-1.5b", quoted), ("qwen2.5-coder-0.5b", True)):  # the second one misreads
        chosen = settings.model_copy(update={"engine": settings.engine.model_copy(update={"model": model})})
        answer = assistant_of(retriever, ScriptedEngine(said), chosen).ask(question)
        assert (answer.quoted, answer.hedged) == (is_quoted, not is_quoted), model
        assert "150 euros" in answer.text


@pytest.mark.parametrize("said", ["The deductible for hail damage is 150 euros.", "The moon lends cheese."])
def test_nothing_stands_for_an_answer_where_no_document_knows_what_is_named(
    said: str, retriever: Retriever, settings: Settings
) -> None:
    asking = assistant_of(retriever, ScriptedEngine(said), settings)
    for question, is_known in (
        ("What is the deductible for hail damage to a VW Golf?", False),
        ("My car is a VW Golf. What is the deductible for hail damage?", True),
    ):
        answer = asking.ask(question)
        assert answer.hedged is not is_known and "150 euros" in answer.text, question


def test_places_that_may_not_answer_are_listed_and_not_shown_as_an_answer(
    retriever: Retriever, settings: Settings
) -> None:
    engine = ScriptedEngine("Bananas grow on every motorway of the galaxy.")
    answer = assistant_of(retriever, engine, settings).ask("What is the premium for the household?")
    assert answer.hedged and not answer.quoted and not answer.refused
    opening, *places = answer.text.splitlines()
    assert opening == settings.answer.closest["en"] and places[0].startswith("- Pets (pets.md): Dogs of the household")
    assert [sentence.text in place for sentence, place in zip(answer.sentences, places, strict=True)] == [True, True]
    missing = "None of the passages found mentions “premium”."
    assert answer_json(None, answer)["hedged"] and answer.notes == (missing,)
    assert answer_lines(answer) == [answer.text, f"({missing})"]
    assert SettledText(settings.answer, with_sources=True).rest(answer) == unlinked(answer.text)


def test_a_refusal_in_the_words_of_the_house_is_a_refusal_also_when_the_model_says_it(
    retriever: Retriever, settings: Settings
) -> None:
    for language, refusal in settings.answer.refusal.items():
        engine = ScriptedEngine(f"{refusal} Ask someone else.")
        answer = assistant_of(retriever, engine, settings).ask("What is the deductible for hail damage?")
        assert engine.prompts and answer.refused and not answer.quoted and not answer.sentences, language
        assert answer.text == settings.answer.refusal["en"] and answer.refusal_reason and answer.hits


def test_a_model_that_refuses_may_say_what_is_known(retriever: Retriever, settings: Settings) -> None:
    refusal, known = settings.answer.refusal["en"], "The deductible for hail damage is 150 euros."
    engine = ScriptedEngine(f"{refusal} {known} Bananas grow on every motorway of the galaxy.")
    answer = assistant_of(retriever, engine, settings).ask("What is the deductible for snow damage?")
    assert answer.refused and answer.hits
    assert answer.text == f"{refusal} {known}", "and nothing that no passage supports"
    (sentence,) = answer.sentences
    assert sentence.text == known and sentence.supported and sentence.citations
    assert SettledText(settings.answer, with_sources=False).rest(answer) == f"{answer.text} [1]"


def test_the_adapter_is_asked_and_named_in_answers_and_refusals(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine("The deductible for hail damage is 150 euros.")
    assistant = assistant_of(retriever, engine, settings)
    asked = ["What is the deductible for hail damage?", "What is the capital of Peru?"]
    answers = [assistant.ask(question, adapter=name) for name in ("house", None) for question in asked]
    assert engine.adapters == ["house", None]
    assert [answer.adapter for answer in answers] == ["house", "house", None, None]
    assert [answer.refused for answer in answers] == [False, True, False, True]


def test_an_answer_comes_into_being_word_by_word(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine("The deductible for hail damage is 150 euros [1]. A trip may last up to 56 days.")
    first, *updates, answer = assistant_of(retriever, engine, settings).stream("hail damage deductible?")
    assert isinstance(first, Retrieved) and isinstance(answer, Answer)
    assert first.hits == answer.hits
    heard = [update.text for update in updates if isinstance(update, Words)]
    assert len(heard) > 1
    assert "".join(heard) == "The deductible for hail damage is 150 euros. A trip may last up to 56 days."
    assert tuple(update.sentence for update in updates if isinstance(update, Grounded)) == answer.sentences


def test_a_trace_says_how_an_answer_came_about(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine("The deductible for hail damage is 150 euros [1].")
    answer = assistant_of(retriever, engine, settings).ask("hail damage deductible?")
    assert answer.trace is not None
    assert answer.trace.said == engine.answer
    assert all(hit.text in answer.trace.prompt for hit in answer.hits)
    assert answer.trace.found[0].dense_rank == 1 and answer.trace.judgement
    assert {"retrieve", "judge", "prompt", "generate", "ground"} <= set(answer.timings)


def test_a_model_that_repeats_itself_is_stopped(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine("Hail damage to the car is covered. " * 50)
    answer = assistant_of(retriever, engine, settings).ask("Is hail damage covered?")
    assert answer.text == "Hail damage to the car is covered."
    assert engine.pieces_given < 40


def test_a_model_that_strays_from_the_passages_is_stopped(retriever: Retriever, settings: Settings) -> None:
    astray = [f"Number {number} of the moons is made of cheese." for number in range(20)]
    engine = ScriptedEngine(" ".join(["Hail damage to the car is covered.", *astray]))
    answer = assistant_of(retriever, engine, settings).ask("Is hail damage covered?")
    assert [sentence.supported for sentence in answer.sentences] == [True, False, False, False]
    assert answer.text.endswith("Number 2 of the moons is made of cheese.")
    assert engine.pieces_given < 60
    shown = settings.answer.model_copy(update={"unsupported": "show"})
    answer = Assistant(retriever, lambda: engine, shown, settings.engine).ask("Is hail damage covered?")
    assert len(answer.sentences) == 21


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_sentence_that_goes_round_in_circles_ends_the_answer_and_is_unsupported(
    retriever: Retriever, size: int
) -> None:
    begun = "Hail damage to the car is covered. Hail damage to the car is covered by § 7"
    said = f"{begun} {'of the Part C ' * 20}of the law."
    grounder = Grounder(retriever.search("hail damage", 3), retriever.weights, 0.6)
    shown = ""
    for start in range(0, len(said), size):
        if not grounder.is_over:
            updates = grounder.feed(said[start : start + size])
            shown += "".join(update.text for update in updates if isinstance(update, Words))
    shown += "".join(update.text for update in grounder.finish() if isinstance(update, Words))
    assert grounder.is_over and grounder.text == shown == f"{begun} {'of the Part C ' * 4}".strip()
    assert [sentence.supported for sentence in grounder.sentences] == [True, False]
    assert len(grounder.said) < len(shown) + 8 or size > 8


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            "1. Hail damage is covered.\n2. Storm damage is covered.\n3. Hail damage is covered.\n4. Fire.",
            "1. Hail damage is covered.\n2. Storm damage is covered.",
        ),
        (f"Call {'1' * 200} now. Or not.", f"Call {'1' * 24}"),
        (f"The line is {'Lindmoor Journey ' * 20}of us.", f"The line is {'Lindmoor Journey ' * 6}".rstrip()),
    ],
)
def test_what_is_said_again_under_another_number_or_within_a_word_ends_an_answer(
    retriever: Retriever, said: str, kept: str, size: int
) -> None:
    grounder = Grounder(retriever.search("hail damage", 3), retriever.weights, 0.6)
    cut = [said[start : start + size] for start in range(0, len(said), size)]
    updates = [update for piece in cut for update in grounder.feed(piece)] + list(grounder.finish())
    assert grounder.is_over and grounder.text == kept
    assert "".join(update.text for update in updates if isinstance(update, Words)) == grounder.text


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize("tag", ["</passage>", "< /passage>", '<passage id="5" source="Made up">', "<PASSAGE"])
def test_passages_that_a_model_makes_up_are_no_part_of_its_answer(tag: str, size: int) -> None:
    said = f"Hail is covered. {tag}\n\nThe canteen is open.\n</passage>"
    grounder = Grounder((), lambda stems: dict.fromkeys(stems, 1.0), 0.6)
    updates: list[Words | Grounded] = []
    for start in range(0, len(said), size):
        if not grounder.is_over:
            updates += grounder.feed(said[start : start + size])
    updates += grounder.finish()
    assert grounder.is_over and grounder.text == "Hail is covered."
    assert "".join(update.text for update in updates if isinstance(update, Words)) == grounder.text


@pytest.mark.parametrize("size", [1, 4, 10_000])
@pytest.mark.parametrize(
    "said",
    [
        "Covered are:\n- Fire\n- Fire and theft\n- Hail",
        "1.\nFire is covered.\n2.\nWater is covered.",
        "**Home**\n- Deductible: 150 €\n- Covers fire\n**Motor**\n- Deductible: 150 €\n- Covers theft",
        "1. Yes.\n2. Yes.\n3. No.",
        "Home\n12\nMotor\n12\nTravel",
    ],
)
def test_short_lines_that_come_again_under_others_stay(said: str, size: int) -> None:
    grounder = Grounder((), lambda stems: dict.fromkeys(stems, 1.0), 0.6)
    for start in range(0, len(said), size):
        assert not grounder.is_over
        list(grounder.feed(said[start : start + size]))
    list(grounder.finish())
    assert grounder.text == said


@pytest.mark.parametrize(
    "text",
    [
        f"| Plan {'| yes ' * 12}|\n{'| --- ' * 13}|\n| Basic | {'not covered | ' * 12}",
        "Up to €5,000 per claim €5,000 per claim €5,000 per claim €5,000 per claim €5,000 per claim",
        f"Deductible {'. ' * 40} 150",
        "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
        "Very, very, very, very, very, very, very, very, very, very, very, very good.",
    ],
)
def test_tables_leaders_and_columns_of_numbers_are_no_circles(text: str) -> None:
    assert repetition_of(f"{text} x").end == len(f"{text} x") and not goes_in_circles(text)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_where_a_model_strays_does_not_depend_on_how_its_words_are_cut(retriever: Retriever, size: int) -> None:
    text = "One is true. Two is true. Three is true. Four is true. Five"
    grounder = Grounder((), retriever.weights, 0.6, patience=3)
    cut = [text[start : start + size] for start in range(0, len(text), size)]
    updates = [update for piece in cut for update in grounder.feed(piece)] + list(grounder.finish())
    assert grounder.text == "One is true. Two is true. Three is true."
    assert "".join(update.text for update in updates if isinstance(update, Words)).startswith(grounder.text)
    assert len(grounder.sentences) == 3 and grounder.is_over


def test_copied_delimiters_never_reach_the_reader(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine('<passage id="1" source="Hail"> Hail damage to the car is covered. </passage> <passage')
    answer = assistant_of(retriever, engine, settings).ask("Is hail damage covered?")
    assert answer.text == "Hail damage to the car is covered."


def test_passages_over_the_budget_give_way_and_are_not_listed(retriever: Retriever, settings: Settings) -> None:
    small = settings.answer.model_copy(update={"prompt_tokens": 128})
    engine = ScriptedEngine("Hail damage to the car is covered.", tokens_a_character=1.0)
    answer = Assistant(retriever, lambda: engine, small, settings.engine).ask("Is hail damage to the car covered?")
    assert len(answer.hits) == 1
    assert [hit.rank for hit in answer.hits] == [1]


def test_history_is_shown_to_the_model_and_searched_with(retriever: Retriever, settings: Settings) -> None:
    history = [Message("user", "Is hail damage covered?"), Message("assistant", "Yes.")]
    engine = ScriptedEngine("The deductible for hail damage is 150 euros.")
    answer = assistant_of(retriever, engine, settings).ask("And the deductible?", history)
    assert answer.hits[0].document == "hail.md"
    assert [message.content for message in engine.prompts[0][1:3]] == ["Is hail damage covered?", "Yes."]


@pytest.mark.parametrize(
    ("text", "kept"),
    [("One. Two. One. Three.", "One. Two. "), ("One. Two.", "One. Two."), ("", ""), ("a a a", "a a a")],
)
def test_repetition_is_cut_at_the_first_sentence_said_twice(text: str, kept: str) -> None:
    assert text[: repetition_of(text).end] == kept
    grounder = Grounder((), lambda terms: dict.fromkeys(terms, 1.0), 0.6)
    assert list(grounder.feed(text)) or not text
    assert grounder.is_over == (kept != text)


def test_odd_questions_get_an_answer_or_a_refusal(retriever: Retriever, settings: Settings) -> None:
    questions: Sequence[str] = [
        "🙂🙂🙂",
        "SELECT * FROM x; --",
        '"AND" OR (NEAR',
        "Ist Hagel versichert?",
        "hail \ud800",
    ]
    for question in questions:
        assert assistant_of(retriever, ScriptedEngine("Yes."), settings).ask(question).text


def test_a_prompt_longer_than_the_window_is_a_clear_error(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine("Yes.", window=900)
    with pytest.raises(PromptTooLongError, match="900"):
        assistant_of(retriever, engine, settings).ask("hail " * 780)
    assert engine.prompts == []


def test_a_long_history_gives_way_from_its_beginning(retriever: Retriever, settings: Settings) -> None:
    history = [Message("user", f"hail {number} " + "x" * 400) for number in range(60)]
    engine = ScriptedEngine("Hail damage to the car is covered.")
    assistant_of(retriever, engine, settings).ask("Is hail damage covered?", history)
    kept = [message.content for message in engine.prompts[0][1:-1]]
    assert 0 < len(kept) < 60 and kept[-1] == history[-1].content


def test_without_a_dense_side_evidence_is_judged_by_its_words(retriever: Retriever, settings: Settings) -> None:
    lexical = settings.retrieval.model_copy(update={"fusion": "lexical"})
    only_words = Retriever(retriever.catalog, retriever.embedder, lexical, settings.device)
    engine = ScriptedEngine("Hail damage to the car is covered.")
    assert not assistant_of(only_words, engine, settings).ask("Is hail damage to the car covered?").refused


def test_a_question_that_is_too_long_is_refused_before_anything_is_done(
    retriever: Retriever, settings: Settings
) -> None:
    engine = ScriptedEngine("The deductible for hail damage is 150 euros.")
    assistant = assistant_of(retriever, engine, settings)
    longest = settings.answer.question_characters
    with pytest.raises(QuestionTooLongError, match=r"4,001 characters; at most 4,000 .* answer\.question_characters"):
        assistant.ask("hail " * (longest // 5) + "?")
    assert assistant.ask(f"What is the deductible for hail damage{'?' * (longest - 38)}").question
    assert len(engine.prompts) == 1
    with pytest.raises(QuestionTooLongError, match=r"11,880 bytes; at most 8,000 .* answer\.question_characters"):
        assistant.ask("\u3000" * 3960)


@pytest.mark.parametrize(
    ("sizes", "most", "kept"), [([5, 5, 5], 15, 3), ([5, 5, 5], 14, 2), ([9, 1], 5, 1), ([9], 5, 0)]
)
def test_the_latest_of_a_long_past_is_read(sizes: Sequence[int], most: int, kept: int) -> None:
    history = [Message("user", str(number) * size) for number, size in enumerate(sizes)]
    assert latest(history, most) == history[len(history) - kept :]


JOINED = "What is the deductible for hail damage to the car, and how many days may a trip last?"


def test_each_part_of_a_question_is_quoted_its_place(retriever: Retriever, settings: Settings) -> None:
    answer = assistant_of(retriever, ScriptedEngine("The moon is made of cheese."), settings).ask(JOINED)
    assert {one.document for sentence in answer.sentences for one in sentence.citations} == {"hail.md", "trips.md"}
    assert "150 euros" in answer.text and "56 days" in answer.text


def test_a_part_that_a_model_leaves_out_is_quoted_behind_its_words(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine("The deductible for hail damage is 150 euros.")
    answer = assistant_of(retriever, engine, settings).ask(JOINED)
    assert not (answer.quoted or answer.hedged)
    assert answer.text.startswith("The deductible for hail damage is 150 euros.") and "56 days" in answer.text
    assert answer.sentences[-1].citations[0].document == "trips.md"


def test_a_model_that_finds_no_answer_to_all_of_a_question_is_believed_where_no_place_answers_a_part(
    retriever: Retriever, settings: Settings
) -> None:
    assistant = assistant_of(retriever, ScriptedEngine("I can't find an answer to this in the documents."), settings)
    answer = assistant.ask(JOINED)
    assert not answer.refused and "150 euros" in answer.text and "56 days" in answer.text
    assert assistant.ask("Who is the chief executive of hail, and how old is the captain of trips?").refused


def test_an_answer_says_which_part_of_a_question_is_open(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine("The deductible for hail damage is 150 euros.")
    question = "What is the deductible for hail damage to the car, and who is the chief executive?"
    answer = assistant_of(retriever, engine, settings).ask(question)
    assert answer.text.startswith("The deductible for hail damage is 150 euros.")
    assert "No place surely answers “who is the chief executive”." in " ".join([answer.text, *answer.notes])


def test_what_has_no_support_is_left_out_where_the_documents_speak_for_a_part(
    retriever: Retriever, settings: Settings
) -> None:
    supported, not_supported = "The deductible for hail damage is 150 euros.", "A trip may last up to 90 days."
    engine = ScriptedEngine(f"{not_supported} {supported}")
    answer = assistant_of(retriever, engine, settings).ask(JOINED)
    assert answer.text.startswith(supported) and "56 days" in answer.text
    assert not_supported not in answer.text


def test_what_holds_of_one_part_is_not_said_of_the_other(retriever: Retriever, settings: Settings) -> None:
    question = "How long may a trip last, and what is the deductible for hail damage?"
    engine = ScriptedEngine("The deductible may last up to 56 days.")
    answer = assistant_of(retriever, engine, settings).ask(question)
    assert not any(sentence.text.startswith("The deductible may last") for sentence in answer.sentences)


def test_a_row_that_was_quoted_is_found_again_in_its_table(
    retriever: Retriever, settings: Settings, docs: Path, workspace: Workspace
) -> None:
    (docs / "authority.md").write_text(
        "# Authority\n\n## Levels\n\n| Role | Payment and reserve | Refusal |\n|---|---|---|\n"
        "| Handler | up to €5,000 per claim | up to €2,500 claimed |\n"
        "| Senior handler | up to €25,000 per claim | up to €15,000 claimed |\n"
        "| Team leader | up to €75,000 per claim | up to €50,000 claimed |\n\n## Goodwill\n\n"
        "A senior handler may grant a payment of up to €500, and a team leader a payment of any amount up to €2,500.\n"
    )
    ingest(workspace, "default", [docs], settings, embedder=retriever.embedder)
    past = [
        Message("user", "Up to what amount may a senior handler release a payment?"),
        Message(
            "assistant",
            "Senior handler: up to €25,000 per claim (Payment and reserve); up to €15,000 claimed (Refusal)",
        ),
    ]
    besides, *_ = assistant_of(retriever, ScriptedEngine("No."), settings).ask("and a team leader?", past).sentences
    assert besides.text.startswith("Team leader: up to €75,000 per claim (Payment and reserve)")


def test_a_follow_up_that_asks_for_another_period_gets_a_sum_of_what_was_cited(
    retriever: Retriever, settings: Settings, docs: Path, workspace: Workspace
) -> None:
    (docs / "card.md").write_text("# Card\n\nThe library card costs 60 euros a year.\n")
    ingest(workspace, "default", [docs], settings, embedder=retriever.embedder)
    past = [Message("user", "What does the library card cost?"), Message("assistant", "It costs 60 euros a year. [1]")]
    answer = assistant_of(retriever, ScriptedEngine("No."), settings).ask("How much is that a month?", past)
    assert answer.text == "€60 a year ÷ 12 = €5 a month"
    (citation,) = answer.sentences[0].citations
    assert answer.hits[citation.hit - 1].document == citation.document == "card.md"


def test_a_sum_is_computed_of_a_cell_before_a_model_is_asked_and_shown_wherever_answers_are(
    retriever: Retriever, settings: Settings, docs: Path, workspace: Workspace
) -> None:
    (docs / "courses.md").write_text(
        "# Courses\n\nMonthly fee in euros.\n\n| Age | Pottery | Painting |\n|---|---|---|\n| 0 to 20 | 7.9 | 12 |\n"
        "| 21 to 60 | 22.5 | 36.4 |\n"
    )
    ingest(workspace, "default", [docs], settings, embedder=retriever.embedder)
    engine = ScriptedEngine("It costs 1 euro.")
    *before, answer = assistant_of(retriever, engine, settings).stream(
        "What does Painting cost a year at the age of 45?"
    )
    assert not before, "a sum comes at once"
    assert not engine.prompts
    assert isinstance(answer, Answer)
    quote, total = answer.sentences
    assert (quote.text, total.text) == ("21 to 60: 36.4 (Painting)", "12 × €36.40 a month = €436.80 a year")
    assert total.citations == quote.citations
    assert total.citations[0].quote == "| 21 to 60 | 22.5 | 36.4 |"
    assert answer.text == f"{quote.text}\n{total.text}"
    for shown in ("\n".join(answer_lines(answer)), conversation_markdown([answer], "sample")):
        assert f"{total.text} [1]" in shown.replace("\\", "")
    assert answer_json(None, answer)["sentences"][1]["text"] == total.text
    past = [Message("user", "What does Painting cost a month at the age of 45?"), Message("assistant", quote.text)]
    follow_up = assistant_of(retriever, engine, settings).ask("How much is that a year?", past)
    assert [one.text for one in follow_up.sentences] == [quote.text, total.text]
    besides, *_ = assistant_of(retriever, ScriptedEngine("No."), settings).ask("and Pottery?", past).sentences
    assert besides.text == "21 to 60: 22.5 (Pottery)"


def test_a_question_in_another_language_finds_the_table_of_which_it_names_row_and_column(
    retriever: Retriever, settings: Settings, docs: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "| Age | Zahn 70 | Zahn 90 |\n|---|---|---|\n| 21 to 40 | 16.8 | 27.3 |\n| 41 and older | 22.5 | 36.4 |\n"
    (docs / "rates.md").write_text(f"# Rates\n\n{rows}")
    for name, text in (
        ("a", "Was kostet Zahn 90 im Monat? Das steht im Vertrag."),
        ("b", "Zahn 90 kostet mit Jahren."),
    ):
        (docs / f"{name}.md").write_text(f"# Zahn 90\n\n{text}\n")
    settings = settings.model_copy(update={"answer": settings.answer.model_copy(update={"evidence": 2})})
    ingest(workspace, "default", [docs], settings, embedder=retriever.embedder)
    asked = "Was kostet Zahn 90 im Monat mit 45 Jahren?"

    def found() -> list[str]:
        answer = assistant_of(retriever, ScriptedEngine("Ich weiß es nicht."), settings).ask(asked)
        return [hit.document for hit in answer.hits]

    assert found()[-1] == "rates.md"
    monkeypatch.setattr(type(retriever.embedder), "understands", lambda *_: True)
    assert "rates.md" not in found(), "vectors find what words of another language cannot"

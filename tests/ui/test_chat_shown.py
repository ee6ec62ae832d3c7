"""An answer as HTML, as copied text and as a file: the same words everywhere, and never anyone else's markup."""

import io
import re
from dataclasses import replace
from datetime import date

import pytest
from bs4 import BeautifulSoup, Tag
from docx import Document
from pypdf import PdfReader
from samples import evidence

from assistant.types import Answer, Checked, Citation, Evidence, Grounded, Retrieved, Sentence, Trace
from assistant.types import Words as NewWords
from ui.answering import Waiting
from ui.export import as_docx, as_markdown, as_pdf, copied_text, paragraphs_of
from ui.pages.chat.view import (
    Draft,
    answer_html,
    asking_html,
    draft_html,
    failed_html,
    reasons_html,
    turn_html,
    welcome_html,
)
from ui.shown.components import message_html
from ui.texts import text
from ui.turns import Turn, TurnReply

HOSTILE = "<img src=x onerror=alert(1)>\"'</script><script>alert(1)</script>"
HIT = evidence("The deductible for hail is 150 euros.", page_starts=((0, 4),))
SUPPORTED = Sentence(
    "The deductible is 150 euros.",
    True,
    "",
    (Citation(1, HIT.document, HIT.path, 4, HIT.start, HIT.end, HIT.text),),
)
UNSUPPORTED = Sentence("Elephants pay nothing.", False, "no passage says this")


def words(key: str, /, **values: object) -> str:
    return text(key, "en", **values)


def answer(**changes: object) -> Answer:
    said = Answer(
        "What does hail cost?",
        "What does hail cost?",
        "The deductible is 150 euros. Elephants pay nothing.",
        (SUPPORTED, UNSUPPORTED),
        (HIT,),
    )
    return replace(said, **changes)  # type: ignore[arg-type]


def turn(*answers: Answer, **changes: object) -> Turn:
    replies = tuple(TurnReply("cars", "house" if number else None, one) for number, one in enumerate(answers))
    return replace(Turn(7, answers[0].question, replies), **changes)  # type: ignore[arg-type]


def parsed(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def one(soup: BeautifulSoup, selector: str) -> Tag:
    found = soup.select(selector)
    assert len(found) == 1, f"{selector}: {len(found)}"
    return found[0]


def test_each_sentence_has_its_mark_or_says_that_it_has_none() -> None:
    soup = parsed(answer_html(answer(), "cars", words))
    mark = one(soup, ".mark")
    assert mark.text == "1" and mark["aria-label"] == "Source 1: terms-1.md, p. 4 · § 1 Cover"
    assert (mark["data-corpus"], mark["data-start"], mark["data-quote"]) == ("cars", "100", HIT.text)
    assert one(soup, ".unsupported").text == "Elephants pay nothing."
    assert one(soup, ".prose").text == "The deductible is 150 euros.1 Elephants pay nothing.not in the documents"


def test_an_answer_looks_the_same_at_the_end_as_when_its_last_word_came() -> None:
    draft = Draft("cars")
    for event in (
        Retrieved("What does hail cost?", (HIT,)),
        NewWords("The deductible is 150 euros. Eleph"),
        Grounded(SUPPORTED),
        NewWords("ants pay nothing."),
        Grounded(UNSUPPORTED),
    ):
        draft.take(event)
    coming = one(parsed(draft_html(draft, "What does hail cost?", words)), ".prose")
    one(parsed(str(coming)), ".caret").decompose()
    assert coming.text == one(parsed(answer_html(answer(), "cars", words)), ".prose").text


def test_words_that_are_no_sentence_yet_look_unchecked() -> None:
    draft = Draft("cars", searched="?", hits=(HIT,), heard="The deductible is 150 euros. Eleph", sentences=[SUPPORTED])
    soup = parsed(draft_html(draft, "?", words))
    assert one(soup, ".unchecked").text == " Eleph" and one(soup, ".mark")


def test_a_question_that_waits_says_its_place() -> None:
    draft = Draft("cars")
    draft.take(Waiting(3))
    assert "Your place in the queue: 3" in draft_html(draft, "?", words)
    draft.take(Retrieved("?", (HIT,)))
    assert "queue" not in draft_html(draft, "?", words)


def test_a_follow_up_shows_what_was_searched_for_and_offers_to_change_it() -> None:
    soup = parsed(answer_html(answer(question="And hail?", standalone_question="What does hail cost?"), "cars", words))
    assert one(soup, ".rewritten q").text == "What does hail cost?"
    assert one(soup, "[data-do=reword]")["data-question"] == "What does hail cost?"
    assert not parsed(answer_html(answer(), "cars", words)).select(".rewritten")


def test_a_refusal_is_no_error_and_helps() -> None:
    text = "Which one?\n1. motor\n2. travel"
    refused = answer(refused=True, text=text, sentences=(), readings=("motor", "travel"))
    soup = parsed(answer_html(refused, "cars", words, suggestions=("Is hail covered?",)))
    assert one(soup, ".lead").text == "Which one?", "what it may mean stands on the buttons"
    asks = [button["data-question"] for button in soup.select("[data-do=suggest]")]
    assert asks == ["What does hail cost? – motor", "What does hail cost? – travel", "Is hail covered?"]
    assert one(soup, ".nearest [data-do=cite]")["data-quote"] == HIT.text
    assert not soup.select(".mark") and not soup.select("[role=alert]")


def test_two_answers_keep_their_names_until_the_vote() -> None:
    both = turn(answer(), answer(text="Second.", sentences=(SUPPORTED,)), blind=True)
    hidden = turn_html(both, words)
    assert "house" not in hidden and len(parsed(hidden).select("[data-do=vote]")) == 3
    shown = parsed(turn_html(replace(both, preferred=1), words))
    assert [who.text for who in shown.select(".who")] == [
        "Answer A: cars · base model",
        "Answer B: cars · house · chosen",
    ]
    assert not shown.select("[data-do=vote]") and shown.select(".teach")


def test_the_reasons_for_two_answers_are_told_apart_and_hide_what_is_hidden() -> None:
    both = turn(answer(), answer(), blind=True)
    assert [who.text for who in parsed(reasons_html(both, words)).select(".who")] == ["Answer A", "Answer B"]
    chosen = parsed(reasons_html(replace(both, preferred=0), words)).select(".who")
    assert chosen[1].text == "Answer B: cars · house"
    assert not parsed(reasons_html(turn(answer()), words)).select(".who")


def hostile_answer() -> Answer:
    hit: Evidence = evidence(HOSTILE, document=f"{HOSTILE}.md", heading=HOSTILE, title=HOSTILE, place=HOSTILE)
    said = Sentence(HOSTILE, True, "", (Citation(1, hit.document, hit.path, None, hit.start, hit.end, hit.text),))
    return Answer(HOSTILE, HOSTILE + "?", HOSTILE, (said, replace(UNSUPPORTED, text=HOSTILE)), (hit,), notes=(HOSTILE,))


@pytest.mark.parametrize(
    "html",
    [
        turn_html(turn(hostile_answer()), words),
        turn_html(turn(hostile_answer(), hostile_answer()), words),
        turn_html(turn(replace(hostile_answer(), refused=True, sentences=(), readings=(HOSTILE,))), words),
        asking_html(HOSTILE, [Draft(HOSTILE, heard=HOSTILE, searched=HOSTILE, hits=hostile_answer().hits)], words),
        failed_html(HOSTILE, HOSTILE, HOSTILE, words),
        welcome_html([HOSTILE], ["cars"], words),
        reasons_html(turn(hostile_answer(), hostile_answer()), words),
    ],
)
def test_markup_of_strangers_is_shown_and_never_obeyed(html: str) -> None:
    soup = parsed(html)
    assert not soup.select("script, img, iframe, object, style, svg, link, meta")
    for tag in soup.find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on")]
        assert not str(tag.get("href", "")).startswith(("javascript", "data"))


def test_characters_that_hide_or_turn_others_are_named() -> None:
    assert message_html("a\u202eb\u0000c\u200b") == "a\\u202eb\\u0000c\\u200b"


def test_copied_text_says_that_it_is_quoted() -> None:
    first, *_ = copied_text(turn(answer(quoted=True)), words).splitlines()
    assert first == words("export.quoted")


def test_what_comes_closest_is_a_list_of_places_and_no_answer() -> None:
    said = f"The documents come closest here:\n- Terms · § 1 Cover (terms-1.md, p. 4): {HIT.text}"
    closest = answer(text=said, sentences=(replace(SUPPORTED, text=HIT.text),), hedged=True)
    soup = parsed(answer_html(closest, "cars", words))
    (place,) = soup.select("li button[data-do=cite]")
    assert place["data-quote"] == HIT.text and HIT.title in place.text and HIT.text in place.text
    assert (
        not soup.select(".prose, .mark, .cited") and [one.text for one in soup.select(".says")] == said.splitlines()[:1]
    )
    assert copied_text(turn(closest), words) == said
    lines = [line for style, line in paragraphs_of("Hail", [turn(closest)], words, "en") if style == "answer"]
    assert lines == said.splitlines()


@pytest.mark.parametrize("shown", [{"refused": True}, {"hedged": True}])
def test_a_question_that_was_put_into_another_language_is_asked_in_that_at_a_click(shown: dict[str, bool]) -> None:
    told = "Ist <b>Hagel</b> versichert?"
    soup = parsed(answer_html(answer(text="I can't.", translations=(told,), **shown), "cars", words))
    (button,) = soup.select("[data-do=suggest]")
    assert button["data-question"] == button.text == told and words("chat.translations") in soup.text


def test_what_is_known_behind_a_refusal_is_cited_on_the_page_in_the_copy_and_in_the_file() -> None:
    said = f"I can't find an answer. {SUPPORTED.text}"
    known = answer(text=said, sentences=(SUPPORTED,), refused=True)
    soup = parsed(answer_html(known, "cars", words))
    assert [one.text for one in soup.select(".lead")] == ["I can't find an answer."]
    (mark,) = soup.select(".refusal .prose .mark")
    assert mark["data-quote"] == HIT.text and soup.select(".cited button")
    assert copied_text(turn(known), words).startswith(f"{said} [1]\n\n[1] terms-1.md")
    styles = [style for style, _ in paragraphs_of("Hail", [turn(known)], words, "en")]
    assert styles[-1] == "source" and f"{said} [1]" in dict(paragraphs_of("Hail", [turn(known)], words, "en")).values()


def test_a_model_is_named_below_its_own_words_alone() -> None:
    def line(**changes: object) -> str:
        return Turn(7, "Hail?", (TurnReply("cars", None, answer(**changes), model="small"),)).model_line

    trace = Trace(("Hail?",), "", (HIT,), {}, said="150 euros.")
    assert line() == line(trace=trace) == "small"
    for others in ("quoted", "hedged", "refused"):
        assert line(trace=trace, **{others: True}) == ""
    assert line(trace=replace(trace, said="")) == "", "a computation"


def test_copied_text_has_numbers_and_references() -> None:
    assert copied_text(turn(answer()), words).splitlines() == [
        "The deductible is 150 euros. [1] Elephants pay nothing. [not in the documents]",
        "",
        "[1] terms-1.md, p. 4 · § 1 Cover: “The deductible for hail is 150 euros.”",
    ]


def test_a_file_does_not_tell_names_before_the_vote() -> None:
    both = turn(answer(), answer(text="Second."), blind=True)
    told = "\n".join(line for _, line in paragraphs_of("Hail", [both], words, "en"))
    assert "Answer A" in told and "house" not in told
    voted = replace(both, preferred=0)
    assert any("cars · house" in line for _, line in paragraphs_of("Hail", [voted], words, "en"))


@pytest.mark.parametrize("kind", ["md", "pdf", "docx"])
def test_a_file_holds_question_answer_and_sources(kind: str) -> None:
    asked = turn(answer(question="Größe & Straße <b>?", text="x"), answer())
    paragraphs = list(paragraphs_of("Hail ☂", [asked], words, "de"))
    if kind == "md":
        content = as_markdown(paragraphs).decode()
        assert "## Größe \\& Straße \\<b\\>?" in content
        content = re.sub(r"\\(.)", r"\1", content)
    elif kind == "pdf":
        content = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(as_pdf(paragraphs))).pages)
    else:
        content = "\n".join(one.text for one in Document(io.BytesIO(as_docx(paragraphs))).paragraphs)
    plain = " ".join(content.split())
    for expected in ("Größe & Straße <b>?", "The deductible is 150 euros. [1]", "cars · house", "p. 4 · § 1 Cover"):
        assert expected in plain


def test_copies_and_files_keep_the_lines_of_markdown() -> None:
    said = "### Hail\n\n- The **deductible** is 150 euros.\n\n| Item | Value |\n|---|---|\n| Deductible | 150 euros |"
    sentences = (
        replace(SUPPORTED, text="- The **deductible** is 150 euros.", before="### Hail\n\n"),
        replace(SUPPORTED, text="| Deductible | 150 euros", before="\n\n| Item | Value |\n|---|---|\n"),
    )
    asked = turn(answer(text=said, sentences=sentences))
    assert copied_text(asked, words).startswith(said.replace("150 euros", "150 euros [1]").replace(" [1].", ". [1]"))
    lines = [line for style, line in paragraphs_of("Hail", [asked], words, "en") if style == "answer"]
    assert lines == ["Hail", "- The deductible is 150 euros. [1]", "| Item | Value |", "| Deductible | 150 euros [1] |"]


def test_words_before_the_first_whole_sentence_look_unchecked() -> None:
    stopped = answer(text="The deductible is 9,999 euros and", sentences=())
    assert '<span class="unchecked">The deductible is 9,999 euros and</span>' in answer_html(stopped, "cars", words)


def test_a_checked_answer_in_other_words_shows_the_passages_that_were_named() -> None:
    vouched = answer(sentences=(replace(SUPPORTED, supported=False, citations=()),))
    assert "unsupported" in answer_html(vouched, "cars", words)
    checked = replace(vouched, checked=Checked("bea", date(2026, 12, 1)))
    soup = parsed(answer_html(checked, "cars", words))
    assert not soup.select(".unsupported") and HIT.document in one(soup, ".nearest button").text
    assert "not in the documents" not in copied_text(turn(checked), words)


def test_there_is_nothing_to_copy_explain_or_judge_in_a_greeting() -> None:
    greeted = turn(answer(question="Hello", text="Hello <b>there</b>.", sentences=(), hits=(), small_talk=True))
    shown = turn_html(greeted, words)
    assert "Hello &lt;b&gt;there" in shown and "unchecked" not in shown
    assert "<button" not in shown and "<form" not in shown
    asked = turn_html(turn(answer()), words)
    assert 'data-do="why"' in asked and "<form" in asked

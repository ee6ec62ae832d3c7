"""The text of an answer: whole, and bit by bit to a reader who cannot take anything back."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from samples import evidence, weights

from assistant.config import AnswerSettings
from assistant.grounding.grounder import ground
from assistant.render.streaming import SettledText, as_said, text_of
from assistant.render.transcript import answer_lines
from assistant.types import Answer, Citation, Sentence
from assistant.untrusted.markup import unlinked

HIT = evidence("A trip may last up to 56 days.")
CITED = (Citation(1, HIT.document, HIT.path, None, 100, 130, HIT.text),)


def sentence(text: str, supported: bool = True) -> Sentence:
    return Sentence(text, supported, "" if supported else "no passage says so", CITED if supported else ())


def answer(*sentences: Sentence, text: str = "", refused: bool = False) -> Answer:
    return Answer("?", "?", text, sentences, (HIT,), refused=refused)


def told(teller: SettledText, heard: list[Sentence], final: Answer) -> str:
    return "".join([*(teller.next(one) for one in heard), teller.rest(final)])


STRICT, SHOW = AnswerSettings(unsupported="strict"), AnswerSettings(unsupported="show")


@pytest.mark.parametrize("answering", [STRICT, SHOW], ids=["strict", "show"])
@pytest.mark.parametrize("with_sources", [True, False])
@given(supported=st.lists(st.booleans(), min_size=1, max_size=6))
def test_a_stream_tells_the_whole_text(answering: AnswerSettings, with_sources: bool, supported: list[bool]) -> None:
    sentences = [sentence(f"Sentence {number}.", yes) for number, yes in enumerate(supported)]
    is_replaced = answering is STRICT and not any(supported)
    final = answer(sentence("Quoted instead.")) if is_replaced else answer(*sentences)
    assert told(SettledText(answering, with_sources), sentences, final) == text_of(final, with_sources)


def test_unsupported_words_are_not_told_before_it_is_sure_that_they_stay() -> None:
    strict, open_ = SettledText(STRICT, False), SettledText(SHOW, False)
    doubtful = sentence("The moon is made of cheese.", supported=False)
    assert strict.next(doubtful) == ""
    assert strict.next(sentence("A trip may last 56 days.")) == (
        "The moon is made of cheese. [unsupported] A trip may last 56 days. [1]"
    )
    assert open_.next(doubtful) == "The moon is made of cheese. [unsupported]"


MARKDOWN = (
    "### Trips\n\n- A trip may last up to 56 days.\n\n| Item | Value |\n|---|---|\n| Trip | up to 56 days |\n\n## More"
)


def test_what_stands_between_sentences_is_told_too() -> None:
    final = replace(answer(*ground(MARKDOWN, [HIT], weights, 0.6)), text=MARKDOWN)
    whole = MARKDOWN.replace("56 days", "56 days [1]").replace("days [1].", "days. [1]").removesuffix("\n\n## More")
    assert text_of(final, False) == whole
    assert told(SettledText(STRICT, False), list(final.sentences), final) == whole
    assert answer_lines(final)[0] == whole
    assert as_said(text_of(final, True)) == MARKDOWN.removesuffix("\n\n## More")


def test_an_answer_that_takes_another_turn_is_told_anew() -> None:
    refusal = answer(text="I can't find that.", refused=True)
    assert told(SettledText(STRICT, False), [sentence("Yes.")], refusal) == "Yes. [1]\n\nI can't find that."


@pytest.mark.parametrize("answering", [STRICT, SHOW], ids=["strict", "show"])
@pytest.mark.parametrize("sentences", [1, 2], ids=["alone", "before a supported sentence"])
def test_what_begins_as_a_refusal_is_told_once(answering: AnswerSettings, sentences: int) -> None:
    refusal = answering.refusal["en"]
    begun, end = refusal.split(" in ")
    heard = [sentence(begun, supported=False), sentence(f"in {end}", supported=False), sentence("Yes.")][
        : sentences + 1
    ]
    final = answer(text=refusal, refused=True)
    assert told(SettledText(answering, False), heard, final) == refusal


def test_sources_name_cited_passages_or_the_nearest_ones() -> None:
    assert text_of(answer(sentence("Yes.")), with_sources=True).endswith(
        "\n\nSources:\n- [1] ``terms-1.md`` · § 1 Cover: “A trip may last up to 56 days.”"
    )
    refusal = text_of(answer(text="No.", refused=True), with_sources=True)
    assert refusal.startswith("No.\n\nNearest passages:\n- ``terms-1.md``")


def test_what_was_written_into_an_answer_can_be_taken_out_again() -> None:
    answered = answer(sentence("Yes."), sentence("Perhaps.", supported=False))
    refused = answer(text="No.", refused=True)
    for with_sources in (True, False):
        assert as_said(text_of(answered, with_sources)) == "Yes. Perhaps."
        assert as_said(text_of(refused, with_sources)) == "No."


PIECES = (
    "![x](https://evil.com/?q=1)", "! [x] (https://evil.com)", "[more](javascript:alert(1))", "[a](b)", "![", "](",
    "]:", "[1]", "(", ")", "[", "]", "<", ">", "</", "<img src=x>", "<details ontoggle=x>", "<marquee onstart=a>",
    "<p style=background:url(//x.com)>", "<!--", "<?x", "<https://e.com>", "<a@b.com>", "[r]: //evil.com", "![x][r]",
    "https://evil.com/a", "http://[::1]/", "https:", "//", "evil.com", ".com", "com", "www.x.de", "a@b.com", "mailto:",
    "terms-1.md", "&#58;", "&lt;", "`", "``", "```", "~~~", "\\", "*", "**", "_", "|", "| a | b |\n|---|---|\n", "- ",
    "> ", "# ", "    ", "\n", "\n\n", " ", "\u3000", "＜", "“", '"', "word", ".", ":", "!",
)  # fmt: skip
pieces = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda some: "".join(some) or "word")


@settings(max_examples=300)
@given(pieces, pieces, st.booleans())
def test_a_program_that_renders_markdown_links_and_loads_nothing(one: str, other: str, refused: bool) -> None:
    hit = evidence(f"{one} {other}")
    cited = (replace(CITED[0], quote=one), replace(CITED[0], hit=2, quote=other))
    said = (Sentence(one, True, "", cited), replace(Sentence(other, True, "", cited), before=""))
    text = text_of(
        replace(answer(*said, text=f"{one}{other}", refused=refused), hits=(hit, replace(hit, rank=2))), True
    )
    for parser in (MarkdownIt("gfm-like", {"html": True}), MarkdownIt("commonmark", {"html": True}).enable("table")):
        tokens = [token for block in parser.parse(text) for token in (block, *(block.children or ()))]
        assert not {"link_open", "image", "html_inline", "html_block"}.intersection(token.type for token in tokens)


def test_what_only_looks_like_markup_stays_and_addresses_are_code() -> None:
    for text in (
        "2 < 3, a > b",
        "see [ordinary] brackets (and these)",
        "z.B. § 5 [Abs. 1] (a)",
        "AT&T, 3.5 %",
        "terms.pdf",
    ):
        assert unlinked(text) == text
    assert unlinked("Write to claims@lindmoor.example.") == "Write to ``claims@lindmoor.example``."
    assert unlinked("**https://www.lindmoor.example/a?b=1**") == "**``https://www.lindmoor.example/a?b=1``**"
    assert unlinked("a<b, [x](y)") == "a< b, [x] (y)"

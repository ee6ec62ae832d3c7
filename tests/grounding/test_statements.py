"""Answers in Markdown: what is supported is so in any form, and how a stream is cut makes no difference."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import evidence
from test_grounding import FIRE, FLOOD, weights

from assistant.grounding.grounder import Grounder, ground
from assistant.grounding.statements import GrowingStatements, statements
from assistant.types import Grounded, Sentence, Words
from assistant.untrusted.markup import GrowingWords, without_markup

TRUE = "You bear 10 % of the loss, at least 500 euros."
FALSE = "You bear 20 % of the loss, at least 500 euros."
TABLE = evidence(
    """How much we pay:

| Benefit | Home Basic | Home Comfort |
| Deductible for each claim | €250 | €150 |
| Freezer contents | not covered | €500 |""",
    1,
)


def grounded(text: str) -> list[Sentence]:
    return ground(text, [evidence(FIRE, 1), evidence(FLOOD, 2)], weights, 0.6)


@pytest.mark.parametrize(
    "form",
    [
        "{}", "- Loss: {}", "- **Loss**: {}", "- **Loss:** {}", "* __Loss__: {}", "+ *Loss*: {}", "1. **Loss**: {}",
        "2) **Loss:** {}", "### Loss\n\n{}", "**Loss**\n{}", "**Loss:**\n\n{}", "## What do you bear?\n{}",
        "**{}**", "*{}*", "> {}", "> - {}", "```\n{}\n```", "```text\n{}\n```", "Loss:  \n{}", "- **Loss:**\n  - {}",
        "Here is what the documents say:\n\n- {}", "Here's a summary:\n1. {}",
        "Hier ist, was die Dokumente sagen:\n* {}",
        "| Item | Value |\n|---|---|\n| Loss | {} |", "Item | Value\n:-- | --:\n**Loss** | {}", "[Loss]: {}",
        "{}\n\n---", "Loss\n---\n{}", "    {}", "- - - {}", "{}\n```", "> " * 40 + "{}",
    ],
)  # fmt: skip
def test_a_sentence_is_judged_the_same_in_every_form(form: str) -> None:
    for sentence, is_true in ((TRUE, True), (FALSE, False)):
        found = grounded(form.format(sentence))
        assert found, "what claims something is judged"
        assert all(one.supported for one in found) is is_true, [(one.text, one.reason) for one in found]


@pytest.mark.parametrize(
    "text",
    ["### Summary", "**Deductible**", "Home Basic:", "## What is covered?", "| Item | Value |\n|---|---|",
     "Based on the provided documents:", "Zusammenfassung:", "```html\n```", "---\n***", "**The `CODE` line**",
     "**Your _own_ cover**:"],
)  # fmt: skip
def test_what_only_names_or_announces_is_no_sentence(text: str) -> None:
    assert grounded(text) == []
    assert len(grounded(f"{TRUE}\n\n{text}\n\n{FALSE}")) == 2


@pytest.mark.parametrize(
    "text",
    ["### Lions are covered", "**Not covered**", "## Within 20 days", "Here is what we pay for lions:", "# Elephants.",
     "**All damage that lions and elephants do to the house, garden and car**"],
)  # fmt: skip
def test_a_heading_that_claims_something_is_held_against_the_passages(text: str) -> None:
    (found,) = grounded(text)
    assert not found.supported


@pytest.mark.parametrize(
    ("rows", "supported"),
    [
        ("| Deductible for each claim | €250 | €150 |", True),
        ("| Deductible for each claim | €150 | €250 |", False),
        ("| Deductible for each claim | €250 | €500 |", False),
        ("| Freezer contents | not covered | **€500** |", True),
        ("| Freezer contents | covered | €500 |", False),
        ("| Freezer contents | – | €500 |", True),
        ("| Freezer contents | ✓ | €500 |", False),
        ("| Lions | not covered | €500 |", False),
    ],
)
def test_each_cell_of_a_row_is_held_against_the_passages_under_its_header(rows: str, supported: bool) -> None:
    (found,) = ground(f"| Benefit | Home Basic | Home Comfort |\n|---|---|---|\n{rows}", [TABLE], weights, 0.6)
    assert found.supported is supported, found.reason
    assert f"{found.text} |" == rows, "a mark behind the sentence stands in the last cell"


def test_headings_headers_and_announcements_do_not_use_up_the_patience() -> None:
    said = f"Here is the answer:\n\n### Floods\n\n| Item | Value |\n|---|---|\n\n**Details:**\n\n{TRUE}"
    grounder = Grounder([evidence(FLOOD)], weights, 0.6, patience=1)
    for _ in (*grounder.feed(said), *grounder.finish()):
        pass
    assert grounder.text == said and grounder.stands


def test_places_lie_in_the_text_and_hold_all_words() -> None:
    text = (
        f"1. **Loss:** {TRUE} **No. {FALSE}**\n   more\n\n> | a | b |\n> |---|---|\n> | c \\| d | *e* |\n\nx `y. z` _w_"
    )
    found = statements(text)
    assert [text[one.start : one.end] for one in found] == [
        f"1. **Loss:** {TRUE}", f"**No. {FALSE}**", "more", "> | a | b", "> | c \\| d | *e*", "x `y. z` _w_",
    ]  # fmt: skip
    assert [one.claims for one in found][-3:] == [(), ("b: c | d: e",), ("x y. z w",)]


def told(*pieces: str) -> tuple[str, list[Sentence]]:
    grounder = Grounder([evidence(FIRE, 1), evidence(FLOOD, 2)], weights, 0.6)
    updates = [update for piece in pieces for update in grounder.feed(piece)]
    updates += grounder.finish()
    shown = "".join(update.text for update in updates if isinstance(update, Words))
    assert shown == grounder.text
    assert [update.sentence for update in updates if isinstance(update, Grounded)] == grounder.sentences
    return shown, grounder.sentences


PIECES = [
    "# ", "### ", "**", "*", "__", "_", "`", "```", "```\n", "- ", "* ", "1. ", "2) ", "> ", "| ", " | ", "|---|---|",
    "\n", "\n\n", "---", "  ", ": ", ". ", "? ", "[1]", "Yes.", "Item", "Here is the answer", "Fire", " is covered",
    "not", " 30 days", TRUE, "snake_case", "\\*", "\t", "<p>", "e.g. ", "\n  - ", "\n2. ", "\n> - ", "Yes. ", "Fire:",
    "\n| a | b |\n|---|---|\n| c. d | e |",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=24), st.lists(st.integers(0, 400), max_size=4))
def test_any_markdown_in_any_pieces_gives_the_same(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    whole = told(text)
    assert told(*text) == whole
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    assert told(*(text[start:end] for start, end in pairwise(places))) == whole


@given(st.lists(st.sampled_from(PIECES), max_size=24))
def test_the_statements_of_a_growing_answer_are_those_of_the_whole(parts: list[str]) -> None:
    text, growing = "".join(parts).strip(), GrowingStatements()
    for end in range(len(text) + 1):
        so_far = text[:end].rstrip()
        if growing.has_more(so_far):
            assert growing.read(so_far) == statements(so_far)
    assert growing.read(text) == statements(text)


MARKUP = [
    "<", ">", "<b>", "</", "passage", "<passage id=1>", " ", "\n", "x", "](", "]", "(", ")", "[a]", "http://a.b",
    "<!--", "-->", "!", "-", "<|im_start|>", "<|", "|>", "a " * 25, "/", ":", "<br>", "\uff1c", "\u200b", "a" * 41,
]  # fmt: skip


@pytest.mark.parametrize("part", ["<b>x", "<a ", "<|im_", "[a](b", "<p>. ", "中文[1]。", "<!-- x "])
def test_of_much_markup_a_beginning_is_read_and_in_the_end_all(part: str) -> None:
    text, growing = f"It is so. {part * 600} end", GrowingWords()
    plain = without_markup(text)
    for end in range(0, len(text), 7):
        assert plain.startswith(growing.read(text[:end]))
    assert growing.read(text, is_whole=True) == plain


@pytest.mark.parametrize("opening", ["- a\n", "> a\n", "```\n"])
def test_a_long_block_is_told_as_it_is_in_the_end(opening: str) -> None:
    inside = "".join(f"  > - Fire {number} is covered.\n" for number in range(100))
    assert told(*f"{opening}{inside}") == told(f"{opening}{inside}")


@given(st.lists(st.sampled_from(MARKUP), max_size=16))
def test_the_plain_words_of_a_growing_answer_are_those_of_the_whole(parts: list[str]) -> None:
    text, growing = "".join(parts), GrowingWords()
    for end in range(len(text) + 1):
        assert growing.read(text[:end]) == without_markup(text[:end])


STUDIO = evidence("The studio is open until 22:00 on weekdays.", 1)
LOCKERS = evidence("A locker costs €4 a month.", 2)


@pytest.mark.parametrize(
    ("sentence", "cited"),
    [
        ("The studio is open until 22:00 on weekdays, and a locker costs €4 a month.", {1, 2}),
        ("Yes, the studio is open until 22:00 on weekdays, and a locker costs €4 a month.", {1, 2}),
        ("The studio is open until 22:00 on weekdays, and a locker costs €5 a month.", set()),
        ("The studio is open until 21:00 on weekdays, and a locker costs €4 a month.", set()),
    ],
)
def test_two_sentences_that_are_joined_are_supported_by_passages_of_their_own(sentence: str, cited: set[int]) -> None:
    (found,) = ground(sentence, (STUDIO, LOCKERS), weights, 0.6)
    assert {citation.hit for citation in found.citations} == cited and found.supported == bool(cited)


@pytest.mark.parametrize(
    "sentence",
    [
        "The studio is closed, and it is free on weekdays.",
        "In Home Basic, the roof is covered, and the cellar is covered up to €500.",
        "If the roof leaks, the cellar is covered, and the desk is informed.",
        "Bikes, tents, and boats are covered.",
        "The desk is open, and closes at nine.",
        "Flood is covered, and this is limited to €5.",
    ],
)
def test_what_holds_only_beside_the_first_sentence_is_no_sentence_of_its_own(sentence: str) -> None:
    (found,) = statements(sentence)
    assert found.claims == (sentence,)

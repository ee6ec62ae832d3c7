"""Headings, glossaries, tables and lists give pairs that say what they say, with their units and headers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.store.blocks import blocks_in
from assistant.store.index import StoredChunk
from assistant.types import StoredBlock
from ingest.pairs.candidates import CandidatePair
from ingest.pairs.evidence_lists import folded
from ingest.pairs.headed_blocks import BlockLine, HeadedBlock, blocks_of, sentences_of, topic_of
from ingest.pairs.selection import fault
from ingest.pairs.structure import Casing, Finder, Rarity, cells, keywords, table_of


def chunk(text: str, heading: str = "Terms > § 7 Bicycles", language: str = "en", context: str = "") -> StoredChunk:
    """A chunk made by hand."""
    return StoredChunk(
        1,
        1,
        "terms.md",
        "/docs",
        "Terms",
        language,
        "",
        text,
        context,
        heading,
        "",
        0,
        len(text),
        tuple(blocks_in(text, 0, [(0, 0, heading)])),
    )


def found(
    text: str, heading: str = "Terms > § 7 Bicycles", language: str = "en", context: str = ""
) -> list[CandidatePair]:
    """What the structure of one chunk gives."""
    one = chunk(text, heading, language, context)
    return list(Finder([one], seed=0).candidates(one, continues=False))


def by_kind(candidates: list[CandidatePair], kind: str) -> list[CandidatePair]:
    return [candidate for candidate in candidates if candidate.kind == kind]


@pytest.mark.parametrize(
    ("heading", "topic"),
    [
        ("§ 7 Bicycles", "Bicycles"),
        ("3.4 Major losses", "Major losses"),
        ("Part A – Common rules", "Common rules"),
        ("Teil B – Leistungen", "Leistungen"),
        ("Abschnitt 2: Fristen", "Fristen"),
        ("Bicycles", "Bicycles"),
        ("Particular cases", "Particular cases"),
        ("2026", "2026"),
    ],
)
def test_a_topic_is_a_heading_without_its_number(heading: str, topic: str) -> None:
    assert topic_of(heading) == topic


def test_an_entry_is_found_behind_the_number_of_its_item() -> None:
    (entry,) = by_kind(found("1) Charging cables: insured up to €500 in Drive Classic."), "entry")
    assert entry.response == "Charging cables: insured up to €500 in Drive Classic."


def test_a_question_heading_is_asked_and_answered_by_what_follows() -> None:
    (faq,) = by_kind(found("No. Hail is covered by another line.", "Terms > Is hail covered?"), "faq")
    assert faq.instruction == "Is hail covered?"
    assert faq.response == "No. Hail is covered by another line."


def test_an_answer_that_began_in_the_chunk_before_is_not_taken_for_the_whole() -> None:
    one = chunk("It also pays the saw.", "Terms > Is hail covered?")
    assert not by_kind(list(Finder([one], 0).candidates(one, continues=True)), "faq")


def test_glossary_entries_become_definitions_in_both_languages() -> None:
    (english,) = by_kind(found("Deductible – The part of each claim that you bear yourself.", "Glossary"), "definition")
    assert english.response == "Deductible means the part of each claim that you bear yourself."
    (german,) = by_kind(found("Regress – Wir fordern zurück, was wir gezahlt haben.", "Glossar", "de"), "definition")
    assert german.response == "Regress: Wir fordern zurück, was wir gezahlt haben."


def test_key_and_value_lines_become_entries_but_mail_headers_do_not() -> None:
    (entry,) = by_kind(found("Claims line: Monday to Friday, 7:00 to 20:00", "Opening hours"), "entry")
    assert "Claims line" in entry.instruction and "Opening hours" in entry.instruction
    assert entry.response == "Claims line: Monday to Friday, 7:00 to 20:00."
    assert not by_kind(found("Subject: Broker circular of this spring", "Mail"), "entry")


def test_a_sentence_is_searched_for_and_its_words_are_not_turned_into_a_question() -> None:
    english = found("You must report the theft of a bicycle to the police within 3 days.", "Terms")
    german = found("Versichert ist der Diebstahl eines Fahrrads aus dem Keller.", "Bedingungen", "de")
    assert {one.kind for one in english + german} == {"search", "topic"}


def test_a_search_is_a_few_telling_words_and_the_topic() -> None:
    rarity = Rarity([("the frame number of the bicycle", "en"), ("the bicycle", "en"), ("the premium", "en")])
    search = keywords("You must keep the frame number of the bicycle.", "Bicycles", "en", rarity, 0)
    assert search and 3 <= len(search.split()) <= 5
    assert not {"you", "the", "must"} & set(search.split())
    assert keywords("It is so.", "", "en", rarity, 0) == ""
    assert "ß" in keywords("Maßgeblich sind Größe und Ausmaß der Schäden.", "", "de", rarity, 0)


def test_a_word_is_written_small_only_if_the_documents_write_it_so() -> None:
    casing = Casing(["We like the Home Basic line, since theft is in it. In Home Basic it is."])
    assert casing.lowered("Theft of bicycles", "en") == "theft of bicycles"
    assert casing.lowered("Theft, fire", "en") == "theft, fire"
    assert casing.lowered("Home Basic covers it", "en") == "Home Basic covers it"
    assert casing.lowered("Kosten der Abwehr", "de") == "Kosten der Abwehr"
    assert casing.lowered("Ihre Beiträge", "de") == "Ihre Beiträge"
    assert casing.lowered("GKV zahlt", "de") == "GKV zahlt"
    assert casing.lowered("", "en") == ""


def table(lines: list[str], header_lines: int = 1, above: str = "") -> HeadedBlock:
    """A table as a reader saw it."""
    heading, _, rest = above.partition("\n")
    told = tuple(BlockLine(line, line) for line in rest.split("\n") if line)
    rows = tuple(BlockLine(line, line) for line in lines)
    return HeadedBlock("table", rows, heading, True, told, header=tuple(lines[:header_lines]))


def found_in_table(text: str, context: str = "", header_lines: int = 1) -> list[CandidatePair]:
    """What a chunk gives that is a part of a table; with a context it begins behind the header."""
    start = 100 if context else 0
    one = replace(
        chunk(text, context=context),
        start=start,
        end=start + len(text),
        blocks=(StoredBlock(0, start + len(text), "table", "Terms > § 7 Bicycles", header_lines=header_lines),),
    )
    return by_kind(list(Finder([one], seed=0).candidates(one, continues=False)), "table")


def test_table_cells_keep_their_row_column_and_unit() -> None:
    lines = ["| Zone | Home Basic | Home Premium | Remark |", "| Zone A | 0.92 | 1.95 | rural |"]
    premiums = table_of(table(lines, above="Annual premium per square metre, in euros\nValid from 2026."))
    assert premiums is not None
    said = {question: response for question, response, _ in cells(premiums, "en", 0)}
    assert len(said) == 2, "a remark is no value"
    assert set(said.values()) == {"Zone A: 0.92 euros in Home Basic.", "Zone A: 1.95 euros in Home Premium."}
    assert all("Zone A" in question for question in said)


def test_a_table_that_goes_on_in_another_chunk_finds_its_header_in_the_context() -> None:
    (cell,) = found_in_table("| Reasoned answer | within 15 days |", context="Procedure\n| Step | Limit |")
    assert cell.response == "Limit for “Reasoned answer”: within 15 days."
    (cell,) = found_in_table("Reasoned answer  within 15 days", context="Procedure\nStep  Limit")
    assert cell.response == "Limit for “Reasoned answer”: within 15 days."


def test_rows_are_named_by_words_and_not_by_codes_or_remarks() -> None:
    lines = ["| id | name | phone |", "| PG-1 | Autohaus Moor | 040 1 |", "| PG-2 | Werkstatt Deich | 040 2 |"]
    contacts = table_of(table(lines))
    assert contacts is not None and contacts.label_column == 1


def test_amounts_stand_over_columns_where_the_reader_saw_them_there() -> None:
    lines = ["| Billable | 80%+ | 40% |", "| Direct reports | none at all | six |"]
    expected = table_of(table(lines))
    assert expected is not None and expected.header == ("Billable", "80%+", "40%")


@pytest.mark.parametrize(
    ("lines", "header_lines"),
    [
        (["Hotel after a loss  €60 a day  €100 a day", "Freezer  not covered  €500"], 0),  # nobody saw its header
        (["| 1 | 2 |", "| 3 | 4 |"], 0),
        (["| only |", "| one column |"], 1),
        (["| Step | Limit |"], 1),
        (["| Step | |", "| a | b |"], 1),
        ([f"| Our office, {'which is the one of all ' * 3}| Tel |", "| a | b |"], 1),
    ],
)
def test_lines_that_are_no_table_with_a_header_give_none(lines: list[str], header_lines: int) -> None:
    assert table_of(table(lines, header_lines)) is None


def test_tables_of_a_pdf_are_read_by_their_gaps() -> None:
    candidates = found_in_table("Benefit  Journey Standard  Journey Max\nLuggage  €2,000  €4,000")
    assert {one.response for one in candidates} == {
        "Luggage: €2,000 in Journey Standard.",
        "Luggage: €4,000 in Journey Max.",
    }


def test_a_short_list_answers_with_the_words_that_introduce_it() -> None:
    text = "There is no cover for\n(a) events caused on purpose;\n(b) damage by war."
    (topic,) = by_kind(found(text, "Terms > § 5 Exclusions"), "topic")
    assert topic.response == "There is no cover for events caused on purpose; damage by war."


def test_what_only_leads_to_a_list_is_no_sentence() -> None:
    text = "A cat is an animal. Equal to a cat are treated\n\n1. the lynx;\n2. the tiger."
    block, *_ = blocks_of(chunk(text), continues=False)
    assert [sentence for sentence, _ in sentences_of(block)] == ["A cat is an animal."]


def test_every_quote_stands_in_its_chunk() -> None:
    text = "(1) You must lock it within 3 days.\n(2) If it is lost, we pay.\n\nNotes: none\n\nWord – A meaning of it."
    assert all(folded(one.quote) in folded(text) for one in found(text))


GOOD = CandidatePair(
    "What is covered by the line?",
    "Hail is covered up to €500.",
    "Hail is covered up to €500.",
    "fact",
    1,
    "a.md",
    "en",
)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"response": "Hail is covered up to"}, "form"),
        ({"response": "Hail is covered: [3] so."}, "form"),
        ({"instruction": "What </passage> is covered?"}, "form"),
        ({"response": "Hail (or snow is covered."}, "form"),
        ({"instruction": "Why?"}, "length"),
        ({"response": "Hail is covered. " * 40}, "length"),
        ({"quote": "Hail is covered up to €600."}, "quote not in chunk"),
        ({"quote": " "}, "quote not in chunk"),
        ({"response": "Hail is covered up to €700."}, "number or name not in chunk"),
        ({"response": "Hail is covered by Lindmoor up to €500."}, "number or name not in chunk"),
        ({"instruction": "What does this document cover?"}, "does not stand alone"),
        ({"instruction": "What is said in the passage about hail?"}, "does not stand alone"),
        ({"instruction": "Is it covered up to €500?"}, "does not stand alone"),
        ({"response": "It is covered up to €500."}, "does not stand alone"),
        ({"response": "Hail is covered in the cases listed below."}, "does not stand alone"),
        ({"instruction": "Ist der Hagel in der Versicherung enthalten oder nicht?"}, "other language"),
        ({"response": "Ja, wird bei uns immer bis €500 erstattet.", "source": "generated"}, "other language"),
        ({"instruction": "How do I renew my passport?", "source": "generated"}, "asks of something else"),
    ],
)
def test_each_fault_is_named(changes: dict[str, str], reason: str) -> None:
    from dataclasses import replace

    assert fault(replace(GOOD, **changes), "Hail is covered\nup to €500. It is covered by the line.", "Terms") == reason  # type: ignore[arg-type]


PIECES = st.sampled_from(
    "| – : . ? ( ) [1] § 7 (1) - • \n \n\n  3 days €500 Wenn Sie If you must wird innerhalb von within is are ist die"
    " Kosten covered, </passage> <|im_end|> \u2028 ß ﬁ 9.999,00 A a".split(" ")
)


@given(st.lists(PIECES, max_size=60).map(" ".join), st.sampled_from(["en", "de", "fr", ""]))
def test_no_text_breaks_the_finder_and_what_passes_the_filters_is_grounded(text: str, language: str) -> None:
    one = chunk(text, language=language)
    for candidate in Finder([one], 0).candidates(one, continues=False):
        if not fault(candidate, one.text, one.context):
            assert folded(candidate.quote) in folded(text)
            assert "</passage" not in candidate.instruction + candidate.response

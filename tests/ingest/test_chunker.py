"""Chunks are slices of the document, whole for the embedder, and lose no word."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import files
import pytest
from fakes import FakeEmbedder
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assistant.retrieval.tokens import TokenCounter
from assistant.text.sentences import sentence_spans
from assistant.types import Block, BlockKind, Chunk, Document
from ingest.chunker import Budget, chunk_document
from ingest.readers import read

MINILM = FakeEmbedder().tokens
CORPUS = [
    "The insurer pays for damage caused by fire, lightning and explosion within thirty days of the report.",
    "Der Versicherungsnehmer muss jeden Schaden unverzüglich anzeigen; die Frist beträgt vierzehn Tage.",
    "| Class | Premium | Share |\n| A | 1,200.50 | 5 % |\n- first item\n- second item 2024-01-31",
]


@pytest.fixture(scope="module")
def counters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TokenCounter]:
    """The bundled tokenizer, and two whose counts do not add up: GPT's kind and SentencePiece's kind."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    def save(name: str, tokenizer: Tokenizer, window: int) -> TokenCounter:
        folder = tmp_path_factory.mktemp(name)
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": window}))
        return TokenCounter(folder)

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>"],
    )  # fmt: skip
    bpe.train_from_iterator(CORPUS * 20, trainer)
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.train_from_iterator(
        CORPUS * 20,
        trainers.UnigramTrainer(vocab_size=220, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]),
    )
    return {"minilm": MINILM, "bpe": save("bpe", bpe, 96), "unigram": save("unigram", unigram, 96)}


def budget(counter: TokenCounter, largest: int = 0, smallest: int = 48, characters: int = 0) -> Budget:
    return Budget(min(largest or counter.window, counter.window), smallest, characters)


def chunks_of(
    document: Document, counter: TokenCounter = MINILM, largest: int = 0, smallest: int = 48, characters: int = 0
) -> list[Chunk]:
    """The chunks, of one window each unless told, after everything that has to be true of any chunks."""
    chunks = chunk_document(document, counter, budget(counter, largest, smallest, characters))
    check(document, chunks, counter, largest)
    return chunks


def check(document: Document, chunks: list[Chunk], counter: TokenCounter, largest: int = 0) -> None:
    text = document.text
    end = 0
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert chunk.start >= end
        end = chunk.end
        assert len(chunk.text.split()) <= sum(len(window.split()) for window in chunk.windows)
    sizes = counter.count_each([window for chunk in chunks for window in chunk.windows])
    window = budget(counter, largest).largest
    assert not [size for size in sizes if size + counter.special_tokens > window]
    covered = bytearray(len(text))
    for chunk in chunks:
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    offset = 0
    for block in document.blocks:
        lost = [
            character
            for position, character in enumerate(block.text)
            if not (covered[offset + position] or character.isspace())
        ]
        if block.kind == "heading":
            assert not lost or any(block.text in chunk.context for chunk in chunks), block.text
        else:
            assert not lost, block.text
        offset += len(block.text) + 2


def document(*blocks: Block, title: str = "Terms") -> Document:
    return Document(title, blocks, "text")


def paragraph(text: str, *path: str, page: int | None = None, place: str = "") -> Block:
    return Block(text, "paragraph", path, page, place)


def heading(*path: str) -> Block:
    return Block(path[-1], "heading", path)


def table(rows: int, header: str = "Class | Premium", *path: str) -> Block:
    lines = [header, *(f"Row {row} | {row * 100} euros a year" for row in range(rows))]
    return Block("\n".join(lines), "table", path, header_lines=1)


# Any document

WORDS = st.sampled_from(
    ["fire", "Versicherungsnehmer", "§", "12.5", "a", "e.g.", "end.", "No!", "🔥🔥", "保険", "x" * 130,
     "\u200b", "\u00ad", "Donaudampfschifffahrtsgesellschaft", "1,234", "|", "''", "ﬁ", "\x07"],
)  # fmt: skip
LINE = st.lists(WORDS, min_size=1, max_size=40).map(" ".join)
KINDS = st.sampled_from(["heading", "paragraph", "list", "table", "code"])


@st.composite
def documents(draw: st.DrawFn) -> Document:
    path: tuple[str, ...] = ()
    blocks = []
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(KINDS)
        text = draw(LINE) if kind == "heading" else "\n".join(draw(st.lists(LINE, min_size=1, max_size=12)))
        if kind == "heading":
            path = (*path[: draw(st.integers(0, 2))], text)
        header_lines = draw(st.integers(0, min(2, text.count("\n") + 1))) if kind == "table" else 0
        place = draw(st.sampled_from(["", "", "sheet A", "sheet B"]))
        page = draw(st.one_of(st.none(), st.integers(1, 9)))
        blocks.append(Block(text, kind, path, page, place, None, header_lines))  # type: ignore[arg-type]
    return Document(draw(st.one_of(st.just(""), LINE)), tuple(blocks), "text")


@pytest.mark.parametrize("name", ["minilm", "bpe", "unigram"])
@settings(max_examples=120)
@given(made=documents(), largest=st.integers(40, 256), smallest=st.integers(0, 60), characters=st.integers(0, 2000))
@example(made=document(paragraph("\u200b")), largest=40, smallest=0, characters=0)
@example(made=document(paragraph("\u200b", "A"), paragraph("text", "A")), largest=40, smallest=48, characters=900)
@example(made=document(paragraph("🔥" * 300)), largest=40, smallest=48, characters=900)
def test_any_document_is_cut_without_loss(
    counters: dict[str, TokenCounter], name: str, made: Document, largest: int, smallest: int, characters: int
) -> None:
    chunks_of(made, counters[name], largest, smallest, characters)


FORMATS: dict[str, Callable[[], bytes]] = {
    "a.pdf": lambda: files.pdf([["# Household policy", *[files.PROSE] * 30], ["# Theft", files.PROSE]]),
    "a.docx": files.docx,
    "a.pptx": files.pptx,
    "a.xlsx": files.xlsx,
    "a.epub": lambda: files.epub(f"<h1>One</h1><p>{files.PROSE}</p>", f"<h1>Two</h1><p>{files.PROSE_DE}</p>"),
    "a.eml": files.mail,
    "a.html": lambda: f"<h1>Cover</h1><p>{files.PROSE * 20}</p><ul><li>Fire<li>Theft</ul>".encode(),
    "a.md": lambda: f"# Cover\n\n{files.PROSE * 20}\n\n- Fire\n- Theft\n".encode(),
    "a.csv": lambda: ("Class,Premium\n" + "".join(f"{row},{row * 10}\n" for row in range(300))).encode(),
    "a.txt": lambda: (files.PROSE + "\n\n" + files.PROSE_DE * 20).encode(),
}


@pytest.mark.parametrize("file", FORMATS)
@pytest.mark.parametrize("name", ["minilm", "bpe", "unigram"])
def test_every_format_is_cut_without_loss(
    counters: dict[str, TokenCounter], tmp_path: Path, file: str, name: str
) -> None:
    made = read(files.write(tmp_path, file, FORMATS[file]()))
    chunks = chunks_of(made, counters[name])
    assert chunks
    assert len(chunks_of(made, counters[name], characters=1200)) <= len(chunks)


# What is not torn


@pytest.mark.parametrize("name", ["minilm", "bpe", "unigram"])
def test_sentences_are_whole_unless_longer_than_the_window(counters: dict[str, TokenCounter], name: str) -> None:
    text = " ".join(
        f"Sentence {number} says that {'damage by fire and ' * (number % 4)}lightning is paid." for number in range(120)
    )
    made = document(paragraph(text, "Cover"), title="")
    chunks = chunks_of(made, counters[name])
    spans = sentence_spans(text)
    starts, ends = {start for start, _ in spans}, {end for _, end in spans}
    assert len(chunks) > 3
    assert all(chunk.start in starts and chunk.end in ends for chunk in chunks)


def test_sentences_are_whole_though_each_counts_more_among_others(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    # "Abcd" is one token at the start of a text and four behind a blank, which takes the A first.
    pieces = ["A", "b", "c", "d", ".", "Ġ", "ĠA", "Ab", "Abc", "Abcd"]
    merges = [("Ġ", "A"), ("A", "b"), ("Ab", "c"), ("Abc", "d")]
    tokenizer = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    counter = TokenCounter(tmp_path)
    assert counter.count_each(["Abcd Abcd.", " Abcd Abcd."]) == [6, 9]
    chunks = chunks_of(document(paragraph(" ".join(["Abcd Abcd."] * 60)), title=""), counter, 40)
    assert {chunk.text.replace("Abcd Abcd.", "").strip() for chunk in chunks} == {""}


@pytest.mark.parametrize("name", ["minilm", "bpe", "unigram"])
@pytest.mark.parametrize("kind", ["list", "table", "code"])
def test_lines_are_whole_unless_longer_than_the_window(
    counters: dict[str, TokenCounter], name: str, kind: BlockKind
) -> None:
    lines = [f"- {number} item. With two sentences, {'and more ' * (number % 5)}".rstrip() for number in range(200)]
    chunks = chunks_of(document(Block("\n".join(lines), kind, ("Cover",))), counters[name])
    assert len(chunks) > 3
    assert [line for chunk in chunks for line in chunk.text.split("\n")] == lines


@pytest.mark.parametrize("name", ["minilm", "bpe", "unigram"])
def test_a_unit_longer_than_the_window_is_cut_at_white_space(counters: dict[str, TokenCounter], name: str) -> None:
    words = [f"word{number}" for number in range(2000)]
    chunks = chunks_of(document(paragraph(" ".join(words))), counters[name])
    assert [word for chunk in chunks for word in chunk.text.split()] == words


def test_no_word_is_torn_in_a_text_without_any_sentence_end() -> None:
    words = [f"insurance{number:05}" for number in range(5_000)]
    chunks = chunks_of(document(paragraph(" ".join(words))))
    assert [word for chunk in chunks for word in chunk.text.split()] == words


# Context


def test_a_split_table_has_its_header_in_every_later_chunk() -> None:
    chunks = chunks_of(document(heading("Tariff"), table(200, "Class | Premium", "Tariff")))
    assert len(chunks) > 3
    assert chunks[0].text.startswith("Class | Premium\n")
    for chunk in chunks[1:]:
        assert chunk.context.endswith("\nClass | Premium")
        assert chunk.text.startswith("Row ")


def test_the_header_of_one_table_does_not_stand_over_another() -> None:
    blocks = [table(60, "Class | Premium", "Tariff"), table(60, "Zone | Bonus", "Tariff")]
    chunks = chunks_of(document(*blocks))
    for chunk in chunks:
        if "Zone | Bonus" in chunk.context:
            assert chunk.start > len(blocks[0].text)
    last = chunks[-1]
    assert "Zone | Bonus" in last.windows[0]


def test_a_wide_header_keeps_its_room_to_the_brim() -> None:
    columns = [f"column{number}" for number in range(60)]
    body = [" | ".join(str(number * row) for number in range(60)) for row in range(1, 20)]
    chunks = chunks_of(document(Block("\n".join([" | ".join(columns), *body]), "table", (), header_lines=1), title=""))
    # A quarter of the window is for it: about 60 tokens, 4 a column.
    assert sum(column in chunks[-1].context for column in columns) >= 12


def test_title_and_headings_are_the_context() -> None:
    (chunk,) = chunks_of(document(heading("Cover"), heading("Cover", "Fire"), paragraph("We pay.", "Cover", "Fire")))
    assert chunk.context == "Terms > Cover > Fire"
    assert chunk.heading == "Cover > Fire"
    assert chunk.text == "We pay."


def test_a_heading_without_text_goes_with_what_follows() -> None:
    chunks = chunks_of(
        document(heading("Preamble"), heading("Cover"), paragraph("We pay for fire.", "Cover"), title="")
    )
    assert [chunk.text for chunk in chunks] == ["Preamble\n\nCover\n\nWe pay for fire."]
    assert chunks[0].heading == "Cover"


def test_a_long_heading_is_in_the_text_when_the_context_cannot_hold_it() -> None:
    long = "Conditions of " + " ".join(f"branch{number}" for number in range(60))
    chunks = chunks_of(document(heading(long), paragraph("We pay.", long)))
    assert any("branch0" in chunk.windows[0] for chunk in chunks)
    assert any("branch59" in chunk.windows[0] for chunk in chunks)


def test_only_headings_make_chunks_too() -> None:
    chunks = chunks_of(document(*(heading(f"Head {number}") for number in range(100)), title=""))
    assert all(f"Head {number}" in "\n".join(chunk.windows[0] for chunk in chunks) for number in range(100))
    assert len(chunks) < 10


# Merging, pages, places


def test_tiny_neighbours_are_merged_up_to_the_window() -> None:
    blocks = [
        block
        for number in range(40)
        for block in (
            heading("A", f"§ {number}"),
            paragraph(f"Clause {number} is short.", "A", f"§ {number}"),
        )
    ]
    chunks = chunks_of(document(*blocks))
    counts = MINILM.count_each([chunk.text for chunk in chunks])
    assert len(chunks) < 12
    assert all(count >= 48 for count in counts[:-1])


def test_nothing_is_merged_across_chapters_or_places() -> None:
    blocks = [
        paragraph("One is short.", "A", "B"), paragraph("Two is short.", "C", "D"),
        paragraph("Three.", place="sheet 1"), paragraph("Four.", place="sheet 2"),
    ]  # fmt: skip
    assert [chunk.text for chunk in chunks_of(document(*blocks))] == [
        "One is short.", "Two is short.", "Three.", "Four.",
    ]  # fmt: skip


def test_places_are_those_of_the_text() -> None:
    blocks = [
        replace(table(80), text="\n".join([sheet, *(f"{sheet}{row} | {row}" for row in range(80))]), place=sheet)
        for sheet in "ABC"
    ]
    for chunk in chunks_of(document(*blocks)):
        assert {line[0] for line in chunk.text.split("\n")} == {chunk.place}


def sheet(name: str, rows: int, first: int) -> Block:
    """A table whose rows say which row of the sheet they are."""
    lines = [
        "| Row | Paid |",
        *(f"| {row} | {row} euros and some cents a year |" for row in range(first, first + rows)),
    ]
    return Block("\n".join(lines), "table", (), None, name, first, 1)


@pytest.mark.parametrize("characters", [0, 900])
@pytest.mark.parametrize(("name", "said"), [("sheet Claims", "sheet Claims, rows "), ("", "rows ")])
def test_a_chunk_of_a_sheet_names_exactly_its_rows(name: str, said: str, characters: int) -> None:
    chunks = chunks_of(document(sheet(name, 300, 2)), characters=characters)
    assert len(chunks) > 3
    for chunk in chunks:
        numbers = re.findall(r"\| (\d+) \|", chunk.text)
        assert chunk.place == f"{said}{numbers[0]}–{numbers[-1]}"


def test_chunks_of_a_sheet_are_joined_whatever_their_rows() -> None:
    whole = document(sheet("sheet Claims", 300, 2))
    unplaced = document(replace(whole.blocks[0], row=None))
    cut = [chunk.text for chunk in chunks_of(whole, characters=900)]
    assert cut == [chunk.text for chunk in chunks_of(unplaced, characters=900)]


def test_notes_and_single_rows_of_a_sheet_know_their_row() -> None:
    note = Block("Paid by class of business.", place="sheet 1", row=1)
    (both,) = chunks_of(document(note, sheet("sheet 1", 3, 5)))
    assert both.place == "sheet 1, rows 1–7"
    assert [chunk.place for chunk in chunks_of(document(sheet("", 1, 2)))] == ["row 2"]
    prose, _ = chunks_of(document(paragraph("No row."), sheet("sheet 1", 1, 2)))
    assert prose.place == ""


def test_both_halves_of_a_torn_row_stand_in_it() -> None:
    long = Block("| " + " ".join(f"word{number}" for number in range(900)) + " |", "table", (), None, "sheet 1", 7)
    assert {chunk.place for chunk in chunks_of(document(long))} == {"sheet 1, row 7"}


# Chunks of several windows


def test_a_chunk_holds_as_many_windows_as_fit_evenly() -> None:
    text = " ".join(f"Sentence {number} says that damage by lightning is paid." for number in range(60))
    windows = chunks_of(document(paragraph(text, "Cover")), largest=80)
    chunks = chunks_of(document(paragraph(text, "Cover")), largest=80, characters=1200)
    assert [window for chunk in chunks for window in chunk.windows] == [chunk.windows[0] for chunk in windows]
    lengths = [len(chunk.text) for chunk in chunks]
    assert max(lengths) <= 1200
    assert min(lengths) > 0.6 * max(lengths)
    assert min(len(chunk.windows) for chunk in chunks) >= 2


def test_a_chunk_does_not_reach_across_headings_or_places() -> None:
    long = "Cars and roofs and hail are things that this note is about at some length. " * 12
    blocks = [
        paragraph(long, "Note"), paragraph(f"SECRET {long}", "Other"), paragraph(long, "Note"),
        paragraph(f"ELSEWHERE {long}", "Note", place="sheet 2"),
    ]  # fmt: skip
    for chunk in chunks_of(document(*blocks), characters=100_000):
        assert ("SECRET" in chunk.text) <= (chunk.heading == "Other")
        assert ("ELSEWHERE" in chunk.text) <= (chunk.place == "sheet 2")


# Giants


def test_a_word_of_a_million_characters_becomes_chunks_that_can_be_shown() -> None:
    made = document(paragraph("x" * 1_000_000))
    started = time.process_time()
    chunks = chunks_of(made)
    assert time.process_time() - started < 10
    assert max(len(chunk.text) for chunk in chunks) <= 40_000


def test_a_table_of_fifty_thousand_rows_is_cut_in_seconds() -> None:
    made = document(heading("Tariff"), table(50_000, "Class | Premium", "Tariff"))
    started = time.process_time()
    chunks = chunk_document(made, MINILM, budget(MINILM))
    assert time.process_time() - started < 10
    assert sum(chunk.text.count("Row ") for chunk in chunks) == 50_000
    assert all("Class | Premium" in chunk.context for chunk in chunks[1:])


@pytest.mark.parametrize("name", ["minilm", "bpe", "unigram"])
def test_a_megabyte_of_prose_is_cut_in_seconds(counters: dict[str, TokenCounter], name: str) -> None:
    blocks = [paragraph(files.PROSE * 5, f"Part {number}") for number in range(1500)]
    made = document(*blocks)
    assert len(made.text) > 1_000_000
    counters[name].count("warm")
    started = time.process_time()
    chunk_document(made, counters[name], budget(counters[name]))
    assert time.process_time() - started < 10, "it takes 4 on a busy core; a square would take minutes"


def test_documents_with_next_to_nothing_make_a_chunk_or_none() -> None:
    assert chunks_of(document()) == []
    assert [chunk.text for chunk in chunks_of(document(paragraph("7")))] == ["7"]
    assert chunks_of(document(paragraph(" \n "))) == []

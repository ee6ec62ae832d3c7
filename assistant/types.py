"""The values that pass between the parts: documents, chunks, evidence, answers.

Plain frozen dataclasses without behaviour of their own beyond construction and views.
All offsets are characters (Python code points) in ``Document.text``; spans are half-open.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from annotated_types import MaxLen

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Vectors: TypeAlias = "npt.NDArray[np.float32]"
"""Texts as unit vectors: (texts, dimension), or (dimension,) for one."""

BlockKind = Literal["heading", "paragraph", "list", "table", "code", "fields"]
"""``fields`` are lines of ``Name: value``, as the head of a mail."""

Role = Literal["system", "user", "assistant"]
"""Who speaks in a conversation."""

Mark = Literal["bullet", "number", "letter", "clause", "section"]
"""As in ``- ``, ``1.``, ``a)``, ``(1)`` and ``§ 1``."""

Caution = Literal["", "orders", "reported"]
"""``orders``: the passage tells machines that read it what to answer; ``reported``: it says that another document says
so, and the passages of that one do not."""

BLOCK_SEPARATOR = "\n\n"
HEADING_SEPARATOR = " > "


def well_formed(text: str) -> str:
    """``text`` without the lone surrogates that arguments and JSON can smuggle in."""
    return text.encode(errors="replace").decode()


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, list, table or heading of a document, in reading order.

    A list or table has one item or row a line. ``heading_path`` holds the headings above the block,
    outermost first; for a heading block it ends with the heading itself. ``page`` and ``row`` are
    1-based; ``place`` names what a page number cannot: ``"sheet Premiums"``, ``"slide 3"``.
    """

    text: str
    kind: BlockKind = "paragraph"
    heading_path: tuple[str, ...] = ()
    page: int | None = None
    place: str = ""
    row: int | None = None
    """Row of the source sheet that the first data line of a table came from."""
    header_lines: int = 0
    """How many leading lines of a table are its header, repeated in front of later rows."""
    turns: tuple[tuple[int, int], ...] = ()
    """(offset in the text, page) of the pages on which a sentence of ``page`` goes on."""

    @property
    def last_page(self) -> int | None:
        """The page on which the block ends."""
        return self.turns[-1][1] if self.turns else self.page


@dataclass(frozen=True, slots=True)
class Item:
    """What begins with a mark: a line, or a clause within it. Offsets count in the document."""

    start: int
    words: int
    """Where it goes on behind the mark."""
    mark: Mark
    depth: int
    """In how many items of the same list it stands."""

    @property
    def is_listed(self) -> bool:
        """Whether it is one of a list; a numbered clause or section stands for itself."""
        return self.mark in {"bullet", "number", "letter"}


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block as the catalog keeps it; its text is ``Document.text[start:end]``."""

    start: int
    end: int
    kind: BlockKind
    heading: str
    """Its heading path, as a chunk's."""
    place: str = ""
    row: int | None = None
    header_lines: int = 0
    items: tuple[Item, ...] = ()
    """What begins with a mark in it, in order."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a reader makes of one file: blocks in order, and what is known about the whole."""

    title: str
    blocks: tuple[Block, ...]
    format: str
    pages: int | None = None
    date: str = ""
    """ISO date (YYYY-MM-DD, or a prefix of it) of the content, where the file states one."""
    language: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The stored text: the blocks joined by one empty line. Spans count in it."""
        return BLOCK_SEPARATOR.join(block.text for block in self.blocks)

    @property
    def page_starts(self) -> tuple[tuple[int, int], ...]:
        """Where in ``text`` each page begins: (offset, page), in order; empty for formats without pages."""
        starts: list[tuple[int, int]] = []
        offset = 0
        for block in self.blocks:
            for start, page in ((0, block.page), *block.turns):
                if page is not None and (not starts or starts[-1][1] != page):
                    starts.append((offset + start, page))
            offset += len(block.text) + len(BLOCK_SEPARATOR)
        return tuple(starts)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document: ``text`` is exactly ``Document.text[start:end]``.

    It may be longer than what the embedder reads at once: then it has several windows, and as many vectors.
    """

    start: int
    end: int
    text: str
    context: str
    """Title, heading path, and header of a table that was split: travels with the text, is not part of it."""
    heading: str
    place: str
    """As a block's, with the rows that the chunk stands in: ``"sheet Premiums, rows 251–273"``."""
    windows: tuple[str, ...]
    """What the embedder reads: the text in order, each part behind its context."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which documents to search: all that fit every part that is given.

    The API and files of questions take it as JSON.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = {"extra": "forbid"}

    documents: Annotated[tuple[str, ...], MaxLen(1000)] = ()
    """Paths relative to the ingested folder."""
    folder: str = ""
    """Glob over those paths, as in ``policies/*``."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Equal values: ``language``, ``format``, ``date``, ``title``, or what the file itself states."""
    since: str = ""
    """ISO date, or a prefix of it: of documents that are dated then or later. One without a date is not."""
    until: str = ""
    """The same for the last one: ``2025`` takes all of that year."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "documents", tuple(map(well_formed, self.documents)))
        for name in ("folder", "since", "until"):
            object.__setattr__(self, name, well_formed(getattr(self, name)))
        metadata = {well_formed(name): well_formed(value) for name, value in self.metadata.items()}
        object.__setattr__(self, "metadata", metadata)

    def __bool__(self) -> bool:
        return bool(self.documents or self.folder or self.metadata or self.since or self.until)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A chunk retrieved for a question, with its rank, its scores and where it comes from."""

    rank: int
    """1-based, after fusion."""
    score: float
    """What the hits are ordered by: the fused score, or the reranker's."""
    dense: float | None
    """Cosine similarity; None when the dense side did not offer this chunk."""
    lexical: float | None
    """BM25; None when the full-text side did not offer it."""
    dense_rank: int | None
    lexical_rank: int | None
    chunk: int
    document: str
    """Path relative to the ingested folder."""
    path: str
    """Where the file is."""
    title: str
    date: str
    language: str
    context: str
    heading: str
    place: str
    page_starts: tuple[tuple[int, int], ...]
    """(offset, page) of the pages that the text stands on; offsets count in the document."""
    start: int
    end: int
    text: str
    blocks: tuple[StoredBlock, ...]
    """Those that the text holds a part of, in order; the first may begin before it, the last end behind it."""
    corpus: str = ""
    """Which one it is from, where several were searched at once; empty where one was."""

    @property
    def header(self) -> str:
        """The header of a table whose later rows the text begins with; often empty."""
        return self.context.partition("\n")[2]

    @property
    def pages(self) -> tuple[int, ...]:
        """The pages that the text stands on, in order."""
        return tuple(page for _, page in self.page_starts)

    @property
    def page_range(self) -> str:
        """Those pages as people write them: ``4``, ``4–6``; empty without any."""
        return "–".join(map(str, self.pages if len(self.pages) < 2 else (self.pages[0], self.pages[-1])))

    def block_at(self, offset: int) -> StoredBlock:
        """The block that holds the character at ``offset`` of the document, or ends before it."""
        return self.blocks[max(0, bisect_right(self.blocks, offset, key=lambda one: one.start) - 1)]

    def part(self, start: int, end: int) -> "Evidence":
        """The same evidence with the heading and the pages of a span of the document alone."""
        first = max((offset for offset, _ in self.page_starts if offset <= start), default=0)
        pages = tuple((offset, page) for offset, page in self.page_starts if first <= offset < end)
        heading = self.block_at(start).heading if self.blocks else self.heading
        return replace(self, heading=heading, page_starts=pages)

    def page_at(self, offset: int) -> int | None:
        """The page on which the character at ``offset`` of the document stands."""
        place = bisect_right(self.page_starts, offset, key=lambda one: one[0])
        return self.page_starts[place - 1][1] if place else None


@dataclass(frozen=True, slots=True)
class Passage:
    """What a model is shown of a chunk, without the scores that evidence has."""

    document: str
    """Path relative to the ingested folder."""
    start: int
    end: int
    context: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", well_formed(self.content))


@dataclass(frozen=True, slots=True)
class Citation:
    """Evidence with the span in it that supports a sentence. Offsets count in the stored text."""

    hit: int
    """Rank of the evidence, as the reader sees it."""
    document: str
    path: str
    page: int | None
    start: int
    end: int
    quote: str
    warning: Caution = ""
    """Why the words are not to be taken at their face value."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer: supported by its citations, or not, with the reason."""

    text: str
    supported: bool
    reason: str
    citations: tuple[Citation, ...] = ()
    to_the_point: bool = True
    """False where other words of the passages fit the question clearly better than those that support this."""
    before: str = " "
    """What stands between it and the sentence before it: headings, headers of tables, blanks."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Why an answer is what it is: every step from the question to the words of the model."""

    searched: tuple[str, ...]
    """The questions that were searched for: as asked, and as it stands by itself."""
    rewriting: str
    """What made a follow-up stand by itself; empty when it did already."""
    found: tuple[Evidence, ...]
    """Before the token budget, with the scores and ranks of each retriever."""
    judgement: Mapping[str, float]
    """What the evidence was judged by: ``probability``, ``threshold``, and the features behind them."""
    dropped: tuple[int, ...] = ()
    """Ranks of the evidence that the token budget left out of the prompt."""
    prompt: str = ""
    """What the model read; empty when it was not asked."""
    said: str = ""
    """What the model said, word for word."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Who found that an answer is right, or how it should read, and on which day."""

    by: str
    date: date


@dataclass(frozen=True, slots=True)
class Answer:
    """What the assistant says to a question: sentences, a refusal with the nearest evidence, or small talk.

    A refusal may have sentences too, behind its own words: what the documents say of the near thing. ``hits`` are the
    passages that were in the prompt; after a refusal, the nearest ones. ``quoted`` says that the documents answer in
    their own words, in place of the model's. ``timings`` are in seconds.
    """

    question: str
    standalone_question: str
    text: str
    sentences: tuple[Sentence, ...]
    hits: tuple[Evidence, ...]
    refused: bool = False
    refusal_reason: str = ""
    readings: tuple[str, ...] = ()
    """Empty: in conversations of before, what an unclear question could mean."""
    quoted: bool = False
    hedged: bool = False
    """Whether it is no answer but a list of the places that come closest; its sentences are what they say."""
    small_talk: bool = False
    """Says nothing about the documents, since nothing was asked of them: a greeting, or a reply to thanks."""
    notes: tuple[str, ...] = ()
    """What a reader should know beside the answer, as that another version of a document differs."""
    checked: Checked | None = None
    """Of an answer that someone has checked, given again as it was accepted."""
    like_checked: tuple[str, ...] = ()
    """Questions near this one that have a checked answer."""
    translations: tuple[str, ...] = ()
    """The question as it was put into other languages, in whose documents it was searched for too."""
    adapter: str | None = None
    """Name of the adapter that was asked; None for the base model."""
    timings: Mapping[str, float] = field(default_factory=dict)
    trace: Trace | None = None

    @property
    def outcome(self) -> Literal["answered", "quoted", "hedged", "refused", "small talk"]:
        """What became of the question."""
        if self.refused:
            return "refused"
        if self.hedged:
            return "hedged"
        if self.quoted:
            return "quoted"
        return "small talk" if self.small_talk else "answered"


@dataclass(frozen=True, slots=True)
class Retrieved:
    """An answer begins: the evidence is there, and the model is about to be asked."""

    standalone_question: str
    hits: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """The next words of an answer as a reader may see them, without markers. They may still turn out unsupported.

    Empty while the model thinks.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Grounded:
    """A sentence is complete and was held against the evidence; its words have been given before."""

    sentence: Sentence


Update = Retrieved | Words | Grounded | Answer
"""What an answer consists of while it comes into being; the ``Answer`` is last and stands for all before it."""


def whole_answer(updates: Iterable[Update]) -> Answer:
    """What an answer was in the end."""
    *_, answer = updates
    if not isinstance(answer, Answer):
        raise TypeError(f"an answer has to come last, not {answer!r}")
    return answer

"""Pairs that people wrote: their own sets, corrections of answers, and examples of the house voice (``tone.jsonl``).

A file is one that ``assistant.artifacts.row_files`` reads. Each row is read in the format that it has
(``assistant.artifacts.chat_rows``), a bad one costs only itself; of a conversation the last answer is taken, and
what was said before. A row that brings the text it answers from is shown it among negatives; for any other the
documents are searched for what supports its response. Where nothing does, it is shown no passages.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from assistant.artifacts.chat_rows import conversations_in
from assistant.artifacts.command_reports import BadRow
from assistant.artifacts.pairs import Pair, Source, Split
from assistant.artifacts.row_files import Unusable
from assistant.config import PairsSettings
from assistant.errors import PairsError
from assistant.text.words import detect
from assistant.types import Evidence, Message, Passage
from ingest.pairs.candidates import CandidatePair, identified, number_of, share_of
from ingest.pairs.corpus import sketch
from ingest.pairs.evidence_lists import Workbench, beside, cited, passage_of, says, supports

# Far more than any prompt holds: such a row is a mistake of whoever wrote the file.
_LONGEST = 40_000
_REMEDY = "Use JSON lines or CSV with the columns 'instruction' and 'response'."
# From this share of its word sequences on, a row's text is taken from a document.
_SAME_TEXT = 0.5
# So many characters of a text find the chunk that it is from.
_ASKED_WITH = 400


@dataclass(frozen=True, slots=True)
class UserRow:
    """One usable row. ``place`` says where it stands: ``set.jsonl, line 7``."""

    place: str
    instruction: str
    response: str
    context: str = ""
    """The text it is answered from, where the row brings one; its first line names the source."""
    system: str = ""
    history: tuple[Message, ...] = ()
    language: str = ""
    document: str = ""
    """The document that ``context`` is from, where the row says so."""


def read_rows(file: Path, strict: bool = False) -> tuple[list[UserRow], list[BadRow]]:
    """The usable rows of a file, in order, and the others.

    Raises PairsError when the file cannot be read, holds no usable row, or, if ``strict``, any bad one.
    """
    rows: list[UserRow] = []
    bad: list[BadRow] = []
    ids: dict[str, str] = {}
    for place, found in conversations_in(file, _LONGEST):
        if isinstance(found, Unusable):
            bad.append(BadRow(place, str(found)))
        elif found.id and ids.setdefault(found.id, place) != place:
            bad.append(BadRow(place, f"the id '{found.id[:40]}' stands in {ids[found.id]} too"))
        elif len(found.messages) % 2:
            bad.append(BadRow(place, "the conversation does not end with a question and its answer"))
        else:
            *history, asked, answer = found.messages
            more = (found.context, found.system, tuple(history), found.language, found.document)
            rows.append(UserRow(place, asked.content, answer.content, *more))
    if bad and (strict or not rows):
        raise PairsError(f"{bad[0].place}: {bad[0].reason} ({len(bad)} bad rows, {len(rows)} good).", _REMEDY)
    if not rows:
        raise PairsError(f"{file} holds no rows.", _REMEDY)
    return rows, bad


@dataclass(frozen=True, slots=True)
class Taught:
    """The rows of users' files, and those that cannot be used."""

    rows: tuple[tuple[Source, UserRow], ...] = ()
    bad: tuple[BadRow, ...] = ()

    @property
    def voice(self) -> list[UserRow]:
        """Examples of the house voice."""
        return [row for source, row in self.rows if source == "tone"]


def read_taught(settings: PairsSettings, strict: bool, corrections: Path | None = None) -> Taught:
    """The files of ``tone`` and ``data``, and accepted ``corrections``. Raises PairsError as ``read_rows`` does."""
    files: list[tuple[Source, str]] = [("tone", name) for name in settings.tone]
    files += [("set", name) for name in settings.data]
    files += [("feedback", str(corrections))] if corrections else []
    rows: list[tuple[Source, UserRow]] = []
    bad: list[BadRow] = []
    for source, name in files:
        good, wrong = read_rows(Path(name).expanduser(), strict)
        rows += [(source, row) for row in good]
        bad += wrong
    return Taught(tuple(rows), tuple(bad))


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row whose passage was looked for; ``golden`` is None where no document supports its response."""

    pair: Pair
    candidate: CandidatePair
    hits: Sequence[Evidence]
    golden: Passage | None


def taught_pairs(taught: Taught, bench: Workbench, languages: Collection[str], settings: PairsSettings) -> list[Pair]:
    """The rows as pairs, each in the split of the document that its text is from, else in one drawn by its words.

    Examples of the voice are shown each other's passages as negatives, so that training runs one prompt for several of
    them: where to look is not what they teach.
    """
    placed = [_placed(row, source, bench, languages, settings) for source, row in taught.rows]
    groups: list[list[_Placed]] = []
    for one in placed:
        alike = groups if one.pair.source == "tone" and one.golden else []
        group = next((group for group in alike if _share_a_list([*group, one], bench)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return [identified(pair) for group in groups for pair in _shown(group, bench)]


def _placed(
    row: UserRow, source: Source, bench: Workbench, languages: Collection[str], settings: PairsSettings
) -> _Placed:
    language = row.language or detect(row.instruction, languages)
    candidate = CandidatePair(row.instruction, row.response, row.context or row.response, "", 0, "", language)
    hits = bench.search(row.instruction)
    golden, document = _golden(row, candidate, hits, bench)
    place = share_of(settings.seed, row.context or row.instruction)
    test = 0.0 if settings.hold_out else settings.test
    drawn: Split = "test" if place < test else "validation" if place < test + settings.validation else "train"
    pair = Pair(
        id="",
        instruction=row.instruction,
        response=row.response,
        source=source,
        split=bench.splits.get(document) or drawn,
        kind=source,
        history=row.history,
        system=row.system,
        language=language,
        document=document,
    )
    return _Placed(pair, candidate, hits, golden)


def _share_a_list(group: Sequence[_Placed], bench: Workbench) -> bool:
    """Whether prompts are equal but for the question, short enough, and answer each row in one passage alone."""
    passages = _goldens(group)
    return (
        len({(row.pair.source, row.pair.split, row.pair.system, row.pair.history) for row in group}) == 1
        and all(row.golden for row in group)
        and len(passages) <= bench.size
        and not any(passage != row.golden and says(passage, row.candidate) for row in group for passage in passages)
        and all(bench.fits(passages, row.candidate.instruction) for row in group)
    )


def _shown(group: Sequence[_Placed], bench: Workbench) -> Iterator[Pair]:
    """The pairs of a group with their list, whose order depends on the seed."""
    goldens = _goldens(group)
    if not goldens:
        yield from (row.pair for row in group)
        return
    hits = (passage_of(hit) for row in group for hit in row.hits if bench.may_show(hit, row.pair.split))
    texts = {golden.text for golden in goldens}
    others = [passage for passage in dict.fromkeys(hits) if passage.text not in texts]
    kept, _ = beside(goldens, others, [row.candidate for row in group], bench)
    shown = sorted([*goldens, *kept], key=lambda one: number_of(bench.seed, one.document, one.text))
    for row in group:
        if row.golden is None:
            yield row.pair
            continue
        number = shown.index(row.golden) + 1
        is_supported = partial(supports, row.golden, language=row.pair.language)
        response = cited(row.pair.response, number, is_supported)
        yield replace(row.pair, response=response, passages=tuple(shown), golden=number)


def _goldens(group: Sequence[_Placed]) -> list[Passage]:
    return list(dict.fromkeys(row.golden for row in group if row.golden))


def _golden(
    row: UserRow, candidate: CandidatePair, hits: Sequence[Evidence], bench: Workbench
) -> tuple[Passage | None, str]:
    """The passage that answers a row, and the document that it is from; empty where it is from none."""
    if not row.context:
        found = next((hit for hit in hits if says(passage_of(hit), candidate)), None)
        return (passage_of(found), found.document) if found else (None, "")
    source, _, text = row.context.partition("\n")
    document = row.document if row.document in bench.splits else ""
    own = Passage(document, 0, len(text or source), source if text else "", text or source)
    if document:
        near = [*hits, *bench.search(text[:_ASKED_WITH])]
        same = (hit for hit in near if hit.document == document and hit.text.strip() == text.strip())
        return next(map(passage_of, same), own), document
    words = sketch(row.context)
    near = [*hits, *bench.search(row.context[:_ASKED_WITH])]
    # Of two editions that say the same, it is from the one in force.
    ranked = ((len(words & sketch(hit.text)), hit.document not in bench.older, hit.document) for hit in near)
    shared, _, document = max(ranked, default=(0, False, ""))
    return own, document if words and shared >= _SAME_TEXT * len(words) else ""

"""How well support is told from what only looks like it: the tables of docs/grounding.md.

    python -m bench.support --workspace FOLDER [--corpus sample] [--part test] [--least 0.6] [--write]

Sentences of the corpus are held against the passage they stand in: as they are and lightly rewritten (supported), and
with a number, a unit, a name or the negation changed, with the cell of another row or column, or against a passage of
another document (not supported). Documents are dealt in two parts by turns: thresholds are chosen on ``dev``, figures
reported on ``test``. The pairs in ``data/sample/support.jsonl`` are written by hand, and so are the answers of the
reading exercises, which are held against the passage they are read from and the three beside it. Sentences with one
number that are supported as they stand are written with this number, and with another one, in words and in figures
(``bench.written``). Pairs that are judged right are judged again as answers in Markdown: behind a label, in a list, in
a table. Answers of each way to be false, with true twins (``data/sample/support_classes.jsonl``), are grounded as the
app does it, with their question and all passages of their document. ``--write`` keeps the figures that reports show.
"""

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np

from assistant import config
from assistant.grounding.grounder import Grounder, ground
from assistant.grounding.quoting import Places
from assistant.grounding.spans import Span, spans
from assistant.grounding.support import Support, Weights, is_factual, support
from assistant.grounding.tables import Row
from assistant.retrieval.embedder import Embedder, Likeness, Meaning
from assistant.retrieval.retriever import Retriever
from assistant.store.blocks import blocks_in
from assistant.store.catalog import Catalog
from assistant.text.quantities import quantities
from assistant.text.sentences import sentence_spans
from assistant.types import Evidence, Sentence
from assistant.workspace import Workspace
from bench.written import FORMS, label_of, renumbered
from eval.metrics.grounding import CheckerFigures, CheckerReport, Rate, write_checker_report
from eval.statistics import interval
from ingest.pairs.bundled import AnswerableQuestion, exercises

HANDWRITTEN = Path(__file__).parent.parent / "data/sample/support.jsonl"
CLASSES = Path(__file__).parent.parent / "data/sample/support_classes.jsonl"
_SHORTEST, _LONGEST = 40, 300
# "Within 14 days." and "10 euros." say too little to stand in one passage only.
_FRAGMENT = 3
_FAMILIES = (
    ("Home Basic", "Home Comfort", "Home Premium"),
    ("Privat Kompakt", "Privat Komfort"),
    ("Zahn 70", "Zahn 90"),
    ("Journey Standard", "Journey Max"),
    ("Drive Classic", "Drive Plus"),
    ("Motor Liability", "Comprehensive Cover", "Partial Cover"),
    ("Germany", "Norway", "Switzerland"),
    ("Hamburg", "Bremen", "Leipzig"),
)
_REWORDED = (
    (r"\bWe\b", "Lindmoor"), (r"\bwe\b", "Lindmoor"), (r"\byou must\b", "you have to"), (r"\bYou may\b", "You can"),
    (r"\bat most\b", "no more than"), (r"\bis not\b", "isn't"),
    (r"€(\d+(?:[.,]\d+)*)(?![\d.,]| million)", r"\1 euros"),
    (r"(?<=[a-z] )3(?= [a-z])", "three"), (r"(?<=in )2(?= [a-z])", "two"), (r"\bthree\b", "3"),
    (r"(\d+)%", r"\1 percent"),
    (r"\b1 January 2026\b", "2026-01-01"), (r"\breimburse\b", "pay"), (r"\bwithin\b", "in"),
    (r"\bWir\b", "Lindmoor"), (r"\bmüssen Sie\b", "haben Sie"), (r"(\d+) %", r"\1 Prozent"), (r"(\d) €", r"\1 Euro"),
    (r"\b1\. Januar 2026\b", "01.01.2026"), (r"\bhöchstens\b", "maximal"),
)  # fmt: skip
_UNITS = (
    ("days", "weeks"), ("day", "week"), ("weeks", "days"), ("months", "weeks"), ("month", "year"), ("years", "months"),
    ("hours", "days"), ("Tagen", "Wochen"), ("Tage", "Wochen"), ("Wochen", "Monate"), ("Monaten", "Tagen"),
    ("Monate", "Wochen"), ("Jahren", "Monaten"), ("Jahre", "Monate"), ("%", " euros"), ("€", "%"),
)  # fmt: skip
_BOUNDS = (
    ("at most", "at least"), ("at least", "at most"), ("up to", "at least"), ("more than", "less than"),
    ("höchstens", "mindestens"), ("mindestens", "höchstens"), ("bis zu", "mindestens"), ("mehr als", "weniger als"),
)  # fmt: skip
_NEGATIONS = (
    (r"\b(is|are|was|were|may|can|must|does|do|will|has to) not\b", r"\1"), (r"\bnicht ", ""),
    (r"\bkeine?n?\b", "eine"),
    (r"\bno (?!more|less|later)", "a "), (r"\b(is|are|may|can|will|applies) (?!not)", r"\1 not "),
    (r"\b(We|You) (pay|cover)", r"\1 do not \2"),
    (r"\b(ist|sind|wird|werden|können|dürfen|zahlen wir|gilt|besteht) (?!nicht)", r"\1 nicht "),
)  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    """A sentence, a passage, and whether the passage supports the sentence."""

    kind: str
    sentence: str
    hit: Evidence
    supported: bool


def constructed(hits: Sequence[Evidence], seed: int = 0) -> Iterator[Labelled]:
    """The pairs made from some passages."""
    rng = random.Random(seed)
    for hit in hits:
        others = [one for one in hits if one.document != hit.document and one.language == hit.language]
        for span in spans(hit):
            if span.row:
                yield from _from_row(span.row, hit, rng)
            elif text := _sentence(span, hit):
                yield from _from_sentence(text, hit, others, rng)


def _sentence(span: Span, hit: Evidence) -> str:
    """What a span says if it is one whole sentence, without the sign of a list; else nothing."""
    text = " ".join(hit.text[span.start : span.end].split())
    if span.row or not (_SHORTEST <= len(text) <= _LONGEST and len(sentence_spans(text)) == 1 and text.endswith(".")):
        return ""
    return re.sub(r"^(\(\d+\)|[-•–]|\d+[.)])\s+", "", text)


def _from_sentence(text: str, hit: Evidence, others: Sequence[Evidence], rng: random.Random) -> Iterator[Labelled]:
    yield Labelled("verbatim", text, hit, True)
    for kind, changed in (("reworded", _reworded(text)), ("reordered", _reordered(text))):
        if changed != text:
            yield Labelled(kind, changed, hit, True)
    for kind, changed in (
        ("number changed", _other_number(text, rng)),
        ("unit changed", _first_change(text, [(rf"(?<=\d )\b{a}\b|(?<=\d){a}", b) for a, b in _UNITS])),
        ("bound changed", _first_change(text, [(rf"\b{a}(?= [€\d])", b) for a, b in _BOUNDS])),
        ("negated", _first_change(text, _NEGATIONS)),
        ("name swapped", _other_name(text, rng)),
    ):
        if changed != text:
            yield Labelled(kind, changed, hit, False)
    if others:
        yield Labelled("other document", text, rng.choice(others), False)


def _from_row(row: Row, hit: Evidence, rng: random.Random) -> Iterator[Labelled]:
    """Claims as pairs make them from tables: "Luggage for a family: €4,000 in all in Journey Standard." """
    if [label for label, *_ in row.table.rows].count(row.label) > 1:
        return
    named = [(header, cell) for header, cell in row.cells if header and cell and header.casefold() != "remark"]
    if not named:
        return
    header, cell = rng.choice(named)
    preposition = "bei" if hit.language == "de" else "in"
    yield Labelled("row", f"{row.label}: {cell} {preposition} {header}.", hit, True)
    rivals = [other for title, other in named if title != header and other != cell]
    if rivals and not set(quantities(other := rng.choice(rivals))) <= set(quantities(cell)):
        yield Labelled("other column", f"{row.label}: {other} {preposition} {header}.", hit, False)
    for neighbour in (span.row for span in spans(hit) if span.row):
        its = dict(neighbour.cells).get(header, cell)
        if neighbour.label != row.label and quantities(its) and its != cell and row.label:
            yield Labelled("neighbouring row", f"{row.label}: {its} {preposition} {header}.", hit, False)
            break


def numbered(hits: Sequence[Evidence], weights: Weights, least: float, seed: int = 0) -> Iterator[Labelled]:
    """The sentences with one number that are supported as they stand, with this number and with another one."""
    rng = random.Random(seed)
    for hit in hits:
        for text in filter(None, (_sentence(span, hit) for span in spans(hit))):
            found = list(renumbered(text, hit.language, rng))
            if found and support(text, hit, weights, least).holds:
                yield Labelled("as it stands", text, hit, True)
                yield from (Labelled(kind, sentence, hit, same) for kind, sentence, same in found)


def _reworded(text: str) -> str:
    for pattern, other in _REWORDED:
        text = re.sub(pattern, other, text)
    return text


def _reordered(text: str) -> str:
    first, comma, rest = text.rstrip(".").partition(", ")
    return f"{rest[:1].upper()}{rest[1:]}, {first[:1].lower()}{first[1:]}." if comma else text


def _other_number(text: str, rng: random.Random) -> str:
    places = list(re.finditer(r"(?<![\d.,])\d+(?![\d.,]*\d)", text))
    if not places:
        return text
    chosen = rng.choice(places)
    changed = int(chosen[0]) + rng.choice([1, 2, 3, 7])
    return text[: chosen.start()] + str(changed) + text[chosen.end() :]


def _first_change(text: str, changes: Sequence[tuple[str, str]]) -> str:
    return next(
        (changed for pattern, other in changes if (changed := re.sub(pattern, other, text, count=1)) != text), text
    )


def _other_name(text: str, rng: random.Random) -> str:
    for family in _FAMILIES:
        present = [name for name in family if name in text]
        absent = [name for name in family if name not in text]
        if present and absent:
            return text.replace(rng.choice(present), rng.choice(absent))
        if len(present) > 1 and quantities(text):
            first, second = present[:2]
            return text.replace(first, "\0").replace(second, first).replace("\0", second)
    return text


def handwritten(file: Path) -> Iterator[Labelled]:
    """Pairs written by a person: ``{"sentence", "passage", "context", "language", "supported", "kind"}`` a line."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        hit = _passage(number, row["passage"], row.get("context", ""), row["language"])
        yield Labelled(f"{row['kind']} ({row['language']})", row["sentence"], hit, row["supported"])


def answers_read() -> Iterator[Labelled]:
    """The answers of the reading exercises against the passage that they are read from, and the three beside it."""
    for number, exercise in enumerate(exercises()):
        language = exercise.language
        hits = [
            _passage(4 * number + place, one.text, one.context, language)
            for place, one in enumerate(exercise.passages, 1)
        ]
        for question in (one for one in exercise.questions if isinstance(one, AnswerableQuestion)):
            answer = question.answer
            for sentence in (answer[start:end] for start, end in sentence_spans(answer)):
                if is_factual(sentence) and len(sentence.split()) > _FRAGMENT:
                    yield from _read_from(sentence, hits, question.passage, language)


@dataclass(frozen=True)
class Answer:
    """An answer of one sentence to a question, and whether one of the passages supports it."""

    kind: str
    question: str
    sentence: str
    hits: tuple[Evidence, ...]
    supported: bool


def answers(file: Path, part: str) -> Iterator[Answer]:
    """Answers by hand from made-up documents, a document a line: of each way to be false, with true twins."""
    documents = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for number, document in enumerate(documents):
        hits = tuple(
            replace(
                _passage(10 * number + rank, one["text"], one["context"], document["language"]),
                rank=rank,
                heading=one["context"],
            )
            for rank, one in enumerate(document["passages"], 1)
        )
        for claim in document["claims"] if document["part"] == part else ():
            yield Answer(claim["kind"], claim["question"], claim["sentence"], hits, claim["supported"])


def are_shown(some: Iterable[Answer], embedder: Embedder, least: float) -> Iterator[tuple[Answer, bool]]:
    """Each answer with whether it is grounded as the app does it, all of it supported."""
    likeness = Meaning(embedder).likeness
    for answer in some:
        sentences = grounded(answer.sentence, answer.question, answer.hits, embedder, even, likeness, least)
        yield answer, bool(sentences) and all(sentence.supported for sentence in sentences)


def grounded(
    said: str,
    question: str,
    hits: Sequence[Evidence],
    embedder: Embedder,
    weights: Weights,
    likeness: Likeness,
    least: float,
) -> list[Sentence]:
    """The sentences of an answer to a question, held against its passages as the app does it."""
    behind = Places(question, hits, embedder, weights).behind
    grounder = Grounder(hits, weights, least, None, behind, question, likeness)
    for _ in (*grounder.feed(said), *grounder.finish()):
        pass
    return grounder.sentences


def by_class(shown: Sequence[tuple[Answer, bool]]) -> Iterator[str]:
    """One line a kind: how many true answers are accepted, and false ones rejected; then all."""
    for kind in (*sorted({answer.kind for answer, _ in shown}), "all"):
        true, false = (
            [is_shown for answer, is_shown in shown if answer.supported is wanted and kind in (answer.kind, "all")]
            for wanted in (True, False)
        )
        yield (
            f"{kind:28} accepted {np.mean(true):.3f} n={len(true)}, rejected {1 - np.mean(false):.3f} n={len(false)},"
            f" precision {sum(true) / max(1, sum(true) + sum(false)):.3f}"
        )


def _read_from(sentence: str, hits: Sequence[Evidence], its: int, language: str) -> Iterator[Labelled]:
    for place, hit in enumerate(hits, 1):
        kind = "answer" if place == its else "passage beside it"
        yield Labelled(f"{kind} ({language})", sentence, hit, place == its)


def _passage(number: int, text: str, context: str, language: str) -> Evidence:
    return Evidence(
        1, 1.0, None, None, None, None, number, f"{number}", f"{number}", "", "", language, context,
        "", "", (), 0, len(text), text, tuple(blocks_in(text)),
    )  # fmt: skip


def passages(catalog: Catalog) -> list[Evidence]:
    """All passages of a corpus as evidence, in order of their documents."""
    chunks = sorted(catalog.live_chunks(), key=lambda chunk: (chunk.document, chunk.start))
    return [
        Evidence(
            1, 1.0, None, None, None, None, number, chunk.document, str(chunk.location), chunk.title, chunk.date,
            chunk.language, chunk.context, chunk.heading, chunk.place, (), chunk.start, chunk.end, chunk.text,
            chunk.blocks,
        )
        for number, chunk in enumerate(chunks)
    ]  # fmt: skip


def judged(
    pairs: Sequence[Labelled], weights: Weights, least: float, likeness: Likeness | None = None
) -> list[tuple[Labelled, Support]]:
    """Each pair with what support says of it."""
    return [(pair, support(pair.sentence, pair.hit, weights, least, likeness=likeness)) for pair in pairs]


def table(results: Sequence[tuple[Labelled, Support]]) -> Iterator[str]:
    """One line a kind: how many pairs are judged right, with the interval over documents; then precision and recall."""
    by_kind: dict[tuple[bool, str], list[tuple[str, float]]] = defaultdict(list)
    for pair, found in results:
        right = found.holds == pair.supported
        by_kind[not pair.supported, pair.kind].append((pair.hit.document, float(right)))
    for (unsupported, kind), rows in sorted(by_kind.items()):
        documents, values = zip(*rows, strict=True)
        low, high = interval(values, documents)
        label = "rejected" if unsupported else "accepted"
        yield f"{kind:28} {label} {np.mean(values):.3f} [{low:.3f}, {high:.3f}] n={len(values)}"
    accepted = [pair.supported for pair, found in results if found.holds]
    true = sum(pair.supported for pair, _ in results)
    yield f"{'all':28} precision {np.mean(accepted):.3f} recall {sum(accepted) / true:.3f} n={len(results)}"


def in_markdown(
    results: Sequence[tuple[Labelled, Support]], weights: Weights, least: float, most: int = 300
) -> Iterator[str]:
    """One line a form of Markdown: of sentences that are judged right without it, how many are judged so in it."""
    rng = random.Random(0)
    right = [pair for pair, found in results if pair.kind != "row" and found.holds == pair.supported]
    rng.shuffle(right)
    true = [(pair, label_of(pair.sentence, rng)) for pair in right if pair.supported][:most]
    false = [(pair, label_of(pair.sentence, rng)) for pair in right if not pair.supported][:most]

    def is_accepted(text: str, hit: Evidence) -> bool:
        sentences = ground(text, [hit], weights, least)
        return bool(sentences) and all(sentence.supported for sentence in sentences)

    for name, form in FORMS.items():
        accepted = [
            is_accepted(form.format(label=label, sentence=one.sentence), one.hit) for one, label in true if label
        ]
        passed = [
            is_accepted(form.format(label=label, sentence=one.sentence), one.hit) for one, label in false if label
        ]
        yield (
            f"{name:28} accepted {np.mean(accepted):.3f} n={len(accepted)}, "
            f"rejected {1 - np.mean(passed):.3f} n={len(passed)}"
        )


def figures(results: Sequence[tuple[Labelled, Support]]) -> CheckerFigures:
    """How many of the supported pairs are accepted, and of the others rejected."""

    def rate(supported: bool) -> Rate:
        some = [(pair, found) for pair, found in results if pair.supported == supported]
        values = [float(found.holds == supported) for _, found in some]
        low, high = interval(values, [pair.hit.document for pair, _ in some])
        return Rate(round(float(np.mean(values)), 4), round(low, 4), round(high, 4), len(values))

    return CheckerFigures(rate(True), rate(False))


def even(terms: Iterable[str]) -> Mapping[str, float]:
    """Every word counts the same."""
    return dict.fromkeys(terms, 1.0)


@click.command()
@click.option("--workspace", type=click.Path(path_type=Path), required=True)
@click.option("--corpus", default="sample")
@click.option("--part", type=click.Choice(["dev", "test"]), default="test")
@click.option("--language", default="", help="Only passages of this language.")
@click.option("--least", multiple=True, type=float, help="Least coverage; several are compared.")
@click.option("--mistakes", default="", help="Print the pairs of this kind that are judged wrong.")
@click.option("--write", is_flag=True, help="Keep the figures as those that reports show.")
def main(
    workspace: Path, corpus: str, part: str, language: str, least: tuple[float, ...], mistakes: str, write: bool
) -> None:
    """Measure support on constructed and on handwritten pairs."""
    settings, _ = config.load()
    catalog = Catalog(Workspace(workspace.absolute()).corpus(corpus))
    lexical = settings.retrieval.model_copy(update={"fusion": "lexical"})  # no model is needed for weights
    embedder = Embedder(settings.embedder, settings.device)
    likeness = Meaning(embedder).likeness
    retriever = Retriever(catalog, embedder, lexical, settings.device)
    retriever.search("a search tells the retriever how large the corpus is")
    hits = passages(catalog)
    documents = sorted({hit.document for hit in hits})[0 if part == "dev" else 1 :: 2]
    chosen = [hit for hit in hits if hit.document in documents and language in ("", hit.language)]
    sets = {
        "constructed": list(constructed(chosen)),
        "handwritten": list(handwritten(HANDWRITTEN)),
        "reading": list(answers_read()),
        "numbers": list(numbered(chosen, retriever.weights, settings.answer.support_coverage)),
    }
    for threshold in least or (settings.answer.support_coverage,):
        for name, pairs in sets.items():
            # The words of made-up documents are unknown to the corpus.
            results = judged(pairs, even if name == "reading" else retriever.weights, threshold, likeness)
            click.echo(f"== {name}, least coverage {threshold}")
            for line in table(results):
                click.echo(line)
            for line in in_markdown(results, retriever.weights, threshold) if name == "constructed" else ():
                click.echo(line)
            for pair, found in results:
                if mistakes and pair.kind.startswith(mistakes) and found.holds != pair.supported:
                    passage = pair.hit.text[found.start : found.end]
                    click.echo(f"  {pair.sentence!r}\n    {found.coverage:.2f} {found.objection} {passage!r}")
        click.echo(f"== classes, least coverage {threshold}")
        for line in by_class(
            list(are_shown(answers(CLASSES, "build" if part == "dev" else "report"), embedder, threshold))
        ):
            click.echo(line)
    if write:
        _keep(sets["constructed"], sets["handwritten"], retriever.weights, settings.answer.support_coverage, likeness)


def _keep(
    made: Sequence[Labelled], written: Sequence[Labelled], weights: Weights, least: float, likeness: Likeness
) -> None:
    sets = ((made, weights, likeness), (written, weights, likeness), (written, even, None))
    found = [figures(judged(pairs, some, least, meant)) for pairs, some, meant in sets]
    write_checker_report(CheckerReport(datetime.now(UTC).date().isoformat(), *found))


if __name__ == "__main__":
    main()

"""Whether citations are right: the bars of docs/grounding.md on the cases of ``data/sample``.

    python -m bench.citations --workspace FOLDER [--corpus sample] [--adapter house] [--limit 20] [--constructed]

Two kinds of answers are held against the evidence that is found for each answerable case:

- constructed: the sentences of the evidence that hold a gold quote, without markers, as the answer;
- asked (left out with ``--constructed``): what the assistant answers, in its own words or quoted.

A citation is right when its span holds a gold quote of the case with the facts that the sentence states, or nine in
ten of the sentence's words and all its numbers, or when the sentence is a quotation of it. "Yes,", "Next step:" and
"§ 8 (3) of the General Terms says that" are not held against the span, but the clause has to be that of the passage.
What is none of these counts as wrong, though it may be right: the figures are lower bounds. The share is given without
next steps too, since the house voice asks for one whether a passage holds it or not.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from assistant import config
from assistant.answer import Assistant
from assistant.config import Settings
from assistant.engines.opening import open_engine
from assistant.grounding.grounder import ground
from assistant.grounding.support import is_factual
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.text.sentences import line_sentence_spans
from assistant.types import Answer, Citation, Evidence, Sentence
from assistant.untrusted.injection import harmless
from assistant.workspace import Workspace
from bench.retrieval import folded
from eval.cases import Case, GoldSpan, read_cases
from eval.metrics.answers import must_include, tokens
from eval.statistics import interval

_EXTRACT = 0.9
_NEXT_STEP = re.compile(r"(?:next step|nächster schritt):\s", re.I)
_OPENING = re.compile(rf"(?:(?:yes|no|ja|nein)[,.]\s|{_NEXT_STEP.pattern})+", re.I)
_CLAUSE = re.compile(r"(?P<clause>§ ?\d+[^:“]{0,80}?) (?:says(?: that|:)|reads:|sagt(?:, dass|:)|lautet:)\s", re.I)
_CASES = Path("data/sample/cases.jsonl")


@dataclass(frozen=True)
class Judged:
    """One sentence of an answer: the verdict on each of its citations."""

    case: str
    document: str
    text: str
    citations: tuple[tuple[Citation, bool], ...]

    @property
    def is_cited_right(self) -> bool:
        """Whether one of its citations is right."""
        return any(right for _, right in self.citations)


def judged(
    case: Case, sentences: Sequence[Sentence], hits: Sequence[Evidence], *, quoted: bool = False
) -> Iterator[Judged]:
    """The factual sentences of an answer with their citations; a quotation's are right by construction."""
    for sentence in sentences:
        if is_factual(sentence.text):
            citations = tuple(
                (citation, quoted or _is_right(case, sentence, citation, hits)) for citation in sentence.citations
            )
            yield Judged(case.id, min(case.documents), sentence.text, citations)


def _is_right(case: Case, sentence: Sentence, citation: Citation, hits: Sequence[Evidence]) -> bool:
    (passage,) = (hit for hit in hits if hit.rank == citation.hit)
    statement = _statement(sentence.text, f"{passage.context} {passage.text}", case.language)
    if _is_extract(statement, citation.quote, case.language):
        return True
    gold = [span for group in case.gold for span in group if span.document == citation.document]
    facts = [
        aliases for aliases in case.must_include if must_include(sentence.text, [aliases], case.language)
    ]  # what the sentence says of the answer has to stand in the span
    said = must_include(citation.quote, facts, case.language) if facts else 1.0
    return said == 1.0 and any(_overlap(span, citation.quote) for span in gold)


def _statement(sentence: str, passage: str, language: str) -> str:
    """What a sentence states: less its opening, and less the clause that it names if that is the passage's."""
    opening = _OPENING.match(sentence)
    text = sentence[opening.end() :] if opening else sentence
    named = _CLAUSE.match(text)
    return text[named.end() :] if named and _numbers(named["clause"], language) <= _numbers(passage, language) else text


def _numbers(text: str, language: str) -> set[str]:
    return {token for token in tokens(text, language) if any(character.isdigit() for character in token)}


def _is_extract(sentence: str, quote: str, language: str) -> bool:
    own, there = tokens(sentence, language), set(tokens(quote, language))
    return _numbers(sentence, language) <= there and sum(token in there for token in own) >= _EXTRACT * len(own)


def _overlap(gold: GoldSpan, quote: str) -> bool:
    own, other = folded(gold.quote), folded(quote)
    return own in other or other in own


def constructed_answer(case: Case, hits: Sequence[Evidence]) -> str:
    """One sentence of the evidence for each gold group of which it holds a quote."""
    found = []
    for group in case.gold:
        places = (
            hit.text[start:end]
            for hit in hits
            for start, end in line_sentence_spans(hit.text)
            for gold in group
            if gold.document == hit.document and folded(gold.quote) in folded(hit.text[start:end])
        )
        if (sentence := next(places, "")) and not sentence.startswith("|"):
            found.append(" ".join(sentence.split()))
    return " ".join(dict.fromkeys(found))


def outside_the_prompt(answer: Answer) -> int:
    """How many citations show what the model was not shown."""
    prompt = folded(answer.trace.prompt) if answer.trace else ""
    citations = [citation for sentence in answer.sentences for citation in sentence.citations]
    return sum(folded(harmless(citation.quote)) not in prompt for citation in citations)


def report(name: str, sentences: Sequence[Judged]) -> Iterator[str]:
    """Precision of citations, and how many sentences have a right one, with intervals over documents."""
    citations = [(one.document, float(right)) for one in sentences for _, right in one.citations]
    cited = [(one.document, float(one.is_cited_right)) for one in sentences]
    for metric, rows in (("citation precision", citations), ("sentences with a right citation", cited)):
        if rows:
            documents, values = zip(*rows, strict=True)
            low, high = interval(values, documents)
            yield f"{name}: {metric:34} {np.mean(values):.3f} [{low:.3f}, {high:.3f}] n={len(values)}"


def _asked(assistant: Assistant, cases: Sequence[Case], adapter: str | None) -> Iterator[tuple[Case, Answer]]:
    for case in cases:
        yield case, assistant.ask(case.standalone_question or case.question, adapter=adapter)


def opened(workspace: Workspace, corpus: str, settings: Settings) -> Retriever:
    catalog = Catalog(workspace.corpus(corpus))
    return Retriever(catalog, Embedder(settings.embedder, settings.device), settings.retrieval, settings.device)


@click.command()
@click.option("--workspace", type=click.Path(path_type=Path), required=True)
@click.option("--corpus", default="sample")
@click.option("--adapter", default=None)
@click.option("--limit", type=int, default=None, help="Only so many cases, spread evenly.")
@click.option("--constructed", "only_constructed", is_flag=True, help="Ask no model.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE")
@click.option("--mistakes", is_flag=True, help="Print the sentences without a right citation.")
def main(
    workspace: Path,
    corpus: str,
    adapter: str | None,
    limit: int | None,
    only_constructed: bool,
    assignments: tuple[str, ...],
    mistakes: bool,
) -> None:
    """Measure citations on the answerable cases."""
    settings, _ = config.load(assignments=assignments)
    space = Workspace(workspace.absolute())
    retriever = opened(space, corpus, settings)
    cases = [case for case in read_cases(_CASES) if not case.unanswerable]
    cases = cases[:: max(1, len(cases) // limit)] if limit else cases
    least = settings.answer.support_coverage
    built: list[Judged] = []
    for case in cases:
        hits = retriever.search(case.standalone_question or case.question, settings.answer.evidence)
        built += judged(case, ground(constructed_answer(case, hits), hits, retriever.weights, least), hits)
    sets = {"constructed": built}
    if not only_constructed:
        assistant = Assistant(
            retriever, lambda: open_engine(settings, space.adapters), settings.answer, settings.engine
        )
        answers = [(case, answer) for case, answer in _asked(assistant, cases, adapter) if not answer.refused]
        sets["asked"] = [
            one for case, answer in answers for one in judged(case, answer.sentences, answer.hits, quoted=answer.quoted)
        ]
        sets["asked, next steps left out"] = [one for one in sets["asked"] if not _NEXT_STEP.match(one.text)]
        quoted, outside = sum(answer.quoted for _, answer in answers), sum(outside_the_prompt(a) for _, a in answers)
        click.echo(
            f"asked: {len(cases)}, answered {len(answers)}, quoted {quoted}; sources not in the prompt: {outside}"
        )
    for name, sentences in sets.items():
        for line in report(name, sentences):
            click.echo(line)
        for one in sentences:
            if mistakes and not one.is_cited_right:
                click.echo(f"  {name} {one.case} {one.text!r} {[citation.quote for citation, _ in one.citations]}")


if __name__ == "__main__":
    main()

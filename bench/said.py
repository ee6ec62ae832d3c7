"""Support held against readers: sentences that models really said, each read against its passages.

    python -m bench.said --workspace FOLDER [--corpus sample] [--of sample] [--mistakes]

``data/sample/support_answers.jsonl`` has answers with the places of the passages that they were given from, and for
each sentence what every reader called it: supported, partly or not (``none``: it claims nothing). Passages are found in
a corpus of the same documents; those of other collections than the sample (``--of``) are public texts that are no part
of the project. A sentence counts as the readers agree, and where they do not as the lower of their labels.
Printed: how far readers agree, how many supported sentences are found (in the words of a passage, and in others), how
many others are caught, and how often a sentence that is called supported is.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from assistant import config
from assistant.retrieval.embedder import Meaning
from assistant.store.catalog import Catalog, written_here
from assistant.text.words import content_stems, stems
from assistant.types import Evidence, Sentence
from assistant.workspace import Workspace
from bench.citations import opened
from bench.support import grounded, passages
from eval.statistics import interval, krippendorff_alpha

ANSWERS = Path("data/sample/support_answers.jsonl")
_ORDER = ("none", "not", "partly", "supported")
# A sentence with so many of its words in a passage says it in the passage's words.
_SAME_WORDS = 0.8


@dataclass(frozen=True)
class ReadSentence:
    """A sentence of an answer, and what readers called it."""

    answer: int
    """Of its file; sentences of one answer are no independent draws."""
    model: str
    question: str
    text: str
    hits: tuple[Evidence, ...]
    labels: tuple[str, ...]

    @property
    def label(self) -> str:
        """What the most careful reader called it."""
        return min(self.labels, key=_ORDER.index)


def read_sentences(file: Path, corpus: str, catalog: Catalog) -> Iterator[ReadSentence]:
    """The sentences to the documents of one collection. Raises click.ClickException where its passages are others."""
    known = {(one.document, one.start, one.end): one for one in passages(catalog)}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        if row["corpus"] != corpus:
            continue
        places = [(one["document"], one["start"], one["end"]) for one in row["passages"]]
        if lost := [place for place in places if place not in known]:
            raise click.ClickException(f"{len(lost)} passages are cut otherwise in this corpus, the first: {lost[0]}")
        hits = tuple(replace(known[place], rank=rank) for rank, place in enumerate(places, 1))
        for sentence in row["sentences"]:
            yield ReadSentence(number, row["model"], row["question"], sentence["text"], hits, tuple(sentence["labels"]))


def verdict(found: Sequence[Sentence]) -> tuple[bool, bool, str]:
    """Whether all of a sentence is supported, whether it is to the point too, as the app asks, and why not."""
    is_supported = bool(found) and all(one.supported for one in found)
    is_shown = is_supported and all(one.to_the_point for one in found)
    return is_supported, is_shown, "; ".join(one.reason for one in found)


def in_same_words(sentence: ReadSentence) -> bool:
    """Whether one of the passages has nearly all words of a sentence."""
    said = set(content_stems(sentence.text, sentence.hits[0].language))
    held = (said & set(stems(f"{hit.context} {hit.text}", hit.language)) for hit in sentence.hits)
    return max(map(len, held)) >= _SAME_WORDS * len(said)


def table(judged: Sequence[tuple[ReadSentence, bool]]) -> Iterator[str]:
    """One line for each figure, with its 95 % interval over answers and how many sentences it is of."""

    def share(
        name: str, of: Callable[[ReadSentence, bool], bool], is_right: Callable[[ReadSentence, bool], bool]
    ) -> str:
        some = [found for found in judged if of(*found)]
        if not some:
            return f"{name:48} -"
        values = [float(is_right(*found)) for found in some]
        low, high = interval(values, [str(one.answer) for one, _ in some])
        return f"{name:48} {sum(values) / len(values):.3f} [{low:.3f}, {high:.3f}] n={len(values)}"

    def found(name: str, wanted: Callable[[ReadSentence], bool]) -> str:
        return share(name, lambda one, _: wanted(one), lambda _, holds: holds)

    def caught(name: str, *labels: str) -> str:
        return share(name, lambda one, _: one.label in labels, lambda _, holds: not holds)

    def precise(name: str, *labels: str) -> str:
        return share(f"of what is called supported, {name}", lambda _, holds: holds, lambda one, _: one.label in labels)

    yield found("supported, found", lambda one: one.label == "supported")
    yield found("  in the words of a passage", lambda one: one.label == "supported" and in_same_words(one))
    yield found("  in other words", lambda one: one.label == "supported" and not in_same_words(one))
    yield caught("in part, caught", "partly")
    yield caught("not supported, caught", "not", "none")
    yield precise("supported", "supported")
    yield precise("supported or in part", "supported", "partly")


@click.command()
@click.option("--workspace", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--corpus", default="sample", help="The corpus of the workspace with these documents.")
@click.option("--of", "collection", default="sample", help="Whose answers.")
@click.option("--mistakes", is_flag=True, help="Print the sentences that are judged otherwise than read.")
def main(workspace: Path, corpus: str, collection: str, mistakes: bool) -> None:
    """Hold support against readers."""
    settings, _ = config.load()
    retriever = opened(Workspace(workspace.absolute()), corpus, settings)
    retriever.search("a search tells the retriever how large the corpus is")
    read = list(read_sentences(ANSWERS, collection, written_here(retriever.catalog)))
    embedder, weights, least = retriever.embedder, retriever.weights, settings.answer.support_coverage
    likeness = Meaning(embedder).likeness
    results = [
        (one, *verdict(grounded(one.text, one.question, one.hits, embedder, weights, likeness, least))) for one in read
    ]
    for model in sorted({one.model for one in read}):
        its = [found for found in results if found[0].model == model]
        twice = [[float(label == "supported") for label in one.labels] for one, *_ in its if len(one.labels) > 1]
        agreement = krippendorff_alpha(twice) if twice else None
        told = f", readers agree (alpha) {agreement:.2f}" if agreement is not None else ""
        click.echo(f"== {model}: {len({one.answer for one, *_ in its})} answers, {len(its)} sentences{told}")
        for name, judged in (
            ("called supported", [(one, supported) for one, supported, _, _ in its]),
            ("called supported and to the point", [(one, shown) for one, _, shown, _ in its]),
        ):
            click.echo(f"-- {name}")
            for line in table(judged):
                click.echo(line)
    for one, supported, _, why in results if mistakes else ():
        if supported != (one.label == "supported"):
            click.echo(f"  {one.label:9} {one.text!r}\n    {why or 'called supported'}; asked {one.question!r}")


if __name__ == "__main__":
    main()

"""Two formats of public benchmarks. SQuAD 1.1 and 2.0 (Rajpurkar et al. 2018), as one JSON file:

    {"data": [{"title": "…", "paragraphs": [{"context": "…", "qas": [
        {"id": "…", "question": "…", "answers": [{"text": "…", "answer_start": 0}], "is_impossible": false}]}]}]}

The title is taken for the document's path, and the gold quote is the sentence that the answer stands in.

A BEIR folder (Thakur et al. 2021), questions with the documents that answer them, for retrieval alone:

    queries.jsonl       {"_id": "1", "text": "…"}
    qrels/test.tsv      query-id <tab> corpus-id <tab> grade, below a line of names

Each document of a grade above 0 is a gold group of its own; grades are not told apart. Documents are taken to be
files named by their id.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from assistant.artifacts.row_files import parsed
from assistant.errors import UsageError, first_fault
from assistant.text.sentences import sentence_spans
from eval.cases import Case, GoldSpan, collected, json_lines, read_text

QUERIES = "queries.jsonl"


class _Span(BaseModel):
    text: str
    answer_start: int = Field(ge=0)


class _SquadQuestion(BaseModel):
    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answers: list[_Span] = []
    is_impossible: bool = False


class _Paragraph(BaseModel):
    context: str
    qas: list[_SquadQuestion]


class _Article(BaseModel):
    title: str = Field(min_length=1)
    paragraphs: list[_Paragraph]


class _Dataset(BaseModel):
    data: list[_Article]


def read_squad(file: Path) -> list[Case]:
    """All questions of a file. Raises UsageError that names the place in the file that cannot be used."""
    try:
        dataset = _Dataset.model_validate_json(read_text(file))
    except ValidationError as error:
        raise UsageError(f"{file}: {first_fault(error)}.", "It has to be SQuAD's JSON.") from None
    cases = (
        (_case(question, paragraph.context, article.title, file), f"{file}, question '{question.id}'")
        for article in dataset.data
        for paragraph in article.paragraphs
        for question in paragraph.qas
    )
    return collected(cases, file)


def _case(question: _SquadQuestion, context: str, document: str, file: Path) -> Case:
    if question.is_impossible:
        return Case(question.id, question.question, unanswerable=True, kind="near-miss")
    spans = []
    for answer in question.answers:
        end = answer.answer_start + len(answer.text)
        if context[answer.answer_start : end] != answer.text:
            raise UsageError(
                f"{file}, question '{question.id}': '{answer.text}' does not stand at {answer.answer_start}.",
                "Mend answer_start.",
            )
        spans.append(GoldSpan(document, _sentence(context, answer.answer_start, end)))
    answers = tuple(dict.fromkeys(answer.text for answer in question.answers))
    return Case(question.id, question.question, answers, gold=(tuple(dict.fromkeys(spans)),) if spans else ())


def _sentence(context: str, start: int, end: int) -> str:
    """The sentences of ``context`` that a span stands in."""
    touched = [span for span in sentence_spans(context) if span[0] < end and span[1] > start]
    return context[touched[0][0] : touched[-1][1]] if touched else context[start:end]


class _Query(BaseModel):
    id: str = Field(alias="_id", min_length=1)
    text: str = Field(min_length=1)


_QUERY = TypeAdapter(_Query)


def read_beir(folder: Path, split: str = "test", suffix: str = ".md") -> list[Case]:
    """The judged questions of a split; document ``4983`` is the file ``4983.md``. Raises UsageError."""
    relevant = _relevant(folder / "qrels" / f"{split}.tsv")
    return collected(_cases(folder / QUERIES, relevant, suffix), folder)


def _cases(file: Path, relevant: dict[str, list[str]], suffix: str) -> Iterator[tuple[Case, str]]:
    missing = set(relevant)
    for line, place in json_lines(file):
        query = parsed(line, _QUERY, place, UsageError)
        documents = relevant.get(query.id)
        if documents:
            missing.discard(query.id)
            gold = tuple((GoldSpan(document + suffix),) for document in documents)
            yield Case(query.id, query.text, gold=gold, kind="search"), place
    if missing:
        raise UsageError(f"{file} lacks the question '{min(missing)}', which qrels/ judges.", "Complete the folder.")


def _relevant(file: Path) -> dict[str, list[str]]:
    relevant: defaultdict[str, list[str]] = defaultdict(list)
    rows = csv.reader(read_text(file).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    for number, row in enumerate(rows, 1):
        if number == 1 or not row:  # The names of the columns.
            continue
        if len(row) != 3 or not row[2].strip().lstrip("-").isdecimal():
            raise UsageError(f"{file}, line {number}: not query, document and grade.", "Separate the three by tabs.")
        if int(row[2]) > 0:
            relevant[row[0]].append(row[1])
    return relevant

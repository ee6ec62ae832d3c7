"""SQuAD 1.1 and 2.0 (Rajpurkar et al. 2018), as one JSON file.

    {"data": [{"title": "…", "paragraphs": [{"context": "…", "qas": [
        {"id": "…", "question": "…", "answers": [{"text": "…", "answer_start": 0}], "is_impossible": false}]}]}]}

The title is taken for the document's path, and the gold quote is the sentence that the answer stands in.
"""

from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from assistant.errors import UsageError, first_fault
from assistant.text.sentences import sentence_spans
from eval.cases import Case, GoldSpan, collected, read_text


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

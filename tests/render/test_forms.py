"""Every form of an answer comes from one room: the same marks, the same places, the same cited passages."""

from dataclasses import replace

from samples import evidence

from assistant.render.streaming import text_of
from assistant.render.transcript import (
    answer_lines,
    cited_lines,
    conversation_markdown,
    escaped,
    footnotes,
    trace_lines,
)
from assistant.types import Answer, Citation, Sentence, Trace
from assistant.untrusted.markup import unlinked

QUOTE = "Hail damage is covered."


def answered() -> Answer:
    hit = evidence(QUOTE, rank=1)
    citation = Citation(1, hit.document, hit.path, None, hit.start, hit.start + len(QUOTE), QUOTE)
    trace = Trace(
        ("Is hail covered?",), "", (hit, replace(hit, rank=2)), {"probability": 0.9}, (2,), "prompt\x07", QUOTE
    )
    sentence = Sentence(QUOTE, True, "", (citation,))
    return Answer("Is hail covered?", "Is hail covered?", QUOTE, (sentence,), (hit,), trace=trace)


def test_every_form_names_the_cited_passages_in_the_same_words() -> None:
    answer = answered()
    (line,) = cited_lines(answer)
    assert line.startswith("[1] ") and f"“{QUOTE}”" in line
    assert f"  {line}" in answer_lines(answer) and footnotes(answer) == [f"  {line}"]
    assert f"- {escaped(line)}" in conversation_markdown([answer], "cars")
    assert unlinked(f"- {line}") in text_of(answer, with_sources=True)


def test_a_trace_reads_the_same_in_a_conversation_and_behind_an_answer_but_for_the_prompt() -> None:
    answer = answered()
    why, trace = trace_lines(answer), trace_lines(answer, with_prompt=True)
    assert [line for line in trace if line not in why] == ["Prompt:", r"  prompt\x07"]
    assert any(line.startswith("  [2]") and line.endswith("(left out of the prompt: no room)") for line in why)


def test_what_is_known_behind_a_refusal_has_its_marks_and_sources_in_every_form() -> None:
    known = answered()
    refusal = "I can't find an answer to this in the documents."
    answer = replace(known, text=f"{refusal} {QUOTE}", refused=True, refusal_reason="the model found no answer")
    said, (source,) = f"{refusal} {QUOTE} [1]", cited_lines(answer)
    assert answer_lines(answer)[0] == said and f"  {source}" in answer_lines(answer)
    assert text_of(answer, with_sources=False) == f"{unlinked(f'{refusal} {QUOTE}')} [1]"
    assert unlinked(f"- {source}") in text_of(answer, with_sources=True)
    assert escaped(said) in conversation_markdown([answer], "cars")
    bare = replace(answer, text=refusal, sentences=())
    assert answer_lines(bare)[0] == refusal and text_of(bare, with_sources=False) == unlinked(refusal)


def test_a_row_of_a_table_is_quoted_without_its_bars() -> None:
    answer = answered()
    row = replace(answer.sentences[0].citations[0], quote="| 41 to 50 | 22.5 |  | a | b")
    (line,) = cited_lines(replace(answer, sentences=(replace(answer.sentences[0], citations=(row,)),)))
    assert line.endswith("“| 41 to 50 | 22.5 | | a | b”"), "a torn row stays what it is"
    whole = replace(row, quote="| 41 to 50 | 22.5 |  |")
    (line,) = cited_lines(replace(answer, sentences=(replace(answer.sentences[0], citations=(whole,)),)))
    assert line.endswith("“41 to 50 · 22.5”")

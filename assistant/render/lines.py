"""An answer, its passages and its trace as lines of a terminal.

Words of documents, models and file names are from strangers: what does not print never reaches the terminal.
"""

from collections.abc import Sequence

from assistant.render.citations import cited_lines, mark_of, nearest_lines, rest_of, source_of
from assistant.text.printing import visible
from assistant.types import Answer, Evidence

_UNSUPPORTED = "No passage supports this answer."


def answer_lines(answer: Answer) -> list[str]:
    """An answer: sentences with footnotes, then the sources they cite; or a refusal with the nearest passages."""
    checked = [f"(checked by {visible(one.by)}, {one.date})" for one in [answer.checked] if one]
    checked += [f"(A checked answer is there for: {visible(like)})" for like in answer.like_checked]
    notes = [*checked, *(f"({visible(note)})" for note in answer.notes)]
    if answer.refused:
        lines = [visible(answer.text, keep_lines=True), f"({answer.refusal_reason})", *checked]
        nearest = [f"  {visible(line)}" for line in nearest_lines(answer)]
        return [*lines, "", "Nearest passages:", *nearest] if nearest else lines
    if answer.small_talk:
        return [answer.text]
    if answer.hedged:
        return [visible(answer.text, keep_lines=True), *notes]
    said = [f"{visible(one.before + one.text, keep_lines=True)} {mark_of(one)}" for one in answer.sentences]
    text = "\n".join(map(str.strip, said)) if answer.quoted else ("".join(said) + rest_of(answer)).strip()
    sources = [f"  {visible(line)}" for line in cited_lines(answer)]
    return [
        text,
        *(["(quoted from the documents)"] if answer.quoted else []),
        *notes,
        "",
        *(["Sources:", *sources] if sources else [_UNSUPPORTED]),
    ]


def footnotes(answer: Answer) -> list[str]:
    """The passages that the sentences cite, a line each, and what else a reader should know."""
    lines = [f"  {visible(line)}" for line in cited_lines(answer)] or [f"  {_UNSUPPORTED}"]
    return [*lines, *(f"  Note: {visible(note)}" for note in answer.notes)]


def passage_lines(hits: Sequence[Evidence]) -> list[str]:
    """Passages in full, each under the number that it is cited by."""
    lines: list[str] = []
    for hit in hits:
        lines += [f"[{hit.rank}] {visible(source_of(hit))}", *_indented(hit.text), ""]
    return lines[:-1]


def trace_lines(answer: Answer, *, with_prompt: bool = False) -> list[str]:
    """Why an answer is what it is: what was searched for, found, judged and said, and what each step took."""
    trace = answer.trace
    if answer.small_talk:
        return ["Nothing was asked of the documents, so nothing was searched for."]
    if trace is None:
        return ["Nothing is known about this answer."]
    shown = {hit.rank for hit in answer.hits}
    found = []
    for hit in trace.found:
        sides = ", ".join(
            "–" if score is None else f"{score:.3f} #{rank}"
            for score, rank in ((hit.dense, hit.dense_rank), (hit.lexical, hit.lexical_rank))
        )
        left_out = " (left out of the prompt: no room)" if hit.rank in trace.dropped else ""
        unread = left_out or ("" if hit.rank in shown else " (not shown)")
        found.append(f"  [{hit.rank}] {hit.score:.3f} ({sides}) {visible(source_of(hit))}{unread}")
    judged = ", ".join(f"{visible(name)} {value:.3f}" for name, value in trace.judgement.items())
    refused = f"refused: {visible(answer.refusal_reason)}" if answer.refused else ""
    outcome = refused or ("hedged" if answer.hedged else "quoted" if answer.quoted else "")
    took = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in answer.timings.items())
    return [
        *([f"Rewritten: {visible(trace.rewriting)}"] if trace.rewriting else []),
        *("Searched for:", *(f"  {visible(question)}" for question in trace.searched)),
        *("Found (score; meaning and words, each with its rank):", *found),
        *([f"Judged: {judged}"] if judged else []),
        *(["Prompt:", *_indented(trace.prompt)] if with_prompt and trace.prompt else []),
        *(["The model said:", *_indented(trace.said)] if trace.said else ["The model was not asked."]),
        *([f"Outcome: {outcome}"] if outcome else []),
        f"Time: {took}",
    ]


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in visible(text, keep_lines=True).splitlines()]

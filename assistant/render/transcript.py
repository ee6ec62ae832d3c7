"""An answer as people read it: its marks and sources, lines of a terminal with its trace, a conversation as Markdown.

Words of documents, models and file names are from strangers: what does not print never reaches the terminal, and
nothing of it formats a Markdown document.
"""

from collections.abc import Callable, Sequence
from itertools import takewhile

from assistant.grounding.spans import cells_of
from assistant.text.printing import excerpt, visible
from assistant.types import Answer, Citation, Evidence, Sentence

LONGEST_QUOTE = 300
"""Characters of a quotation below an answer; the whole one stands in its source."""


def source_of(hit: Evidence) -> str:
    """Where a passage stands, for people: ``terms.pdf, p. 4 · § 7 Deadlines``; of several corpora with its name."""
    place = f"p. {hit.page_range}" if hit.pages else hit.place
    corpus = f"{hit.corpus}: " if hit.corpus else ""
    return f"{corpus}{hit.document}{f', {place}' if place else ''}{f' · {hit.heading}' if hit.heading else ''}"


def mark_of(sentence: Sentence) -> str:
    """What stands behind a sentence: the numbers of its passages, or that there are none."""
    if not sentence.supported:
        return "[unsupported]"
    return "".join(dict.fromkeys(map(number_of, sentence.citations)))


def number_of(citation: Citation) -> str:
    """What stands for a citation in a text: ``[2]``; ``[2!]`` if it carries a warning."""
    return f"[{citation.hit}{'!' if citation.warning else ''}]"


def opening_of(answer: Answer) -> str:
    """The words of a refusal before what is known of the near thing; empty of every other answer with sentences."""
    if not answer.sentences:
        return answer.text
    return answer.text.partition(answer.sentences[0].text)[0].rstrip() if answer.refused else ""


def marked_text(answer: Answer, mark: Callable[[Sentence], str] = mark_of) -> str:
    """The words of an answer with the marks of its sentences, in the lines that they stand in."""
    said = "".join(f"{one.before}{one.text} {mark(one)}" for one in answer.sentences)
    return f"{opening_of(answer)}{said}{rest_of(answer)}".strip()


def rest_of(answer: Answer) -> str:
    """The signs behind the last sentence of an answer, which end a table or code."""
    _, last, rest = answer.text.rpartition(answer.sentences[-1].text) if answer.sentences else ("", "", "")
    signs = takewhile(lambda line: not any(map(str.isalnum, line)), rest.splitlines(keepends=True))
    return "".join(signs).rstrip() if last else ""


def cited_parts(answer: Answer) -> list[tuple[Citation, Evidence]]:
    """What an answer cites, each quotation once, passage by passage: and the hit with its heading and pages there."""
    hits = {hit.rank: hit for hit in answer.hits}
    citations = {(one.hit, one.quote): one for sentence in answer.sentences for one in sentence.citations}
    ordered = sorted(citations.values(), key=lambda one: (one.hit, one.start))
    return [(one, hits[one.hit].part(one.start, one.end)) for one in ordered if one.hit in hits]


def readable(quote: str) -> str:
    """Words of a document as people read them: the cells of a row of a table with dots between them."""
    return "\n".join(" · ".join(filter(None, cells_of(line))) or line for line in quote.split("\n"))


def cited_lines(answer: Answer, longest: int = LONGEST_QUOTE) -> list[str]:
    """The same, a line each: ``[2] terms.pdf, p. 4: “We pay within 30 days.”``; file names and headings as they are."""
    return [
        f"{number_of(one)} {source_of(hit)}: “{excerpt(readable(one.quote), longest)}”"
        for one, hit in cited_parts(answer)
    ]


def nearest_lines(answer: Answer) -> list[str]:
    """The passages that a refusal found, a line each."""
    return [f"{source_of(hit)}: {excerpt(hit.text)}" for hit in answer.hits]


_UNSUPPORTED = "No passage supports this answer."


def answer_lines(answer: Answer) -> list[str]:
    """An answer: sentences with footnotes, then the sources they cite; or a refusal with the nearest passages."""
    checked = [f"(checked by {visible(one.by)}, {one.date})" for one in [answer.checked] if one]
    checked += [f"(A checked answer is there for: {visible(like)})" for like in answer.like_checked]
    searched = [f"(Also searched for: {visible(one)})" for one in answer.translations]
    notes = [*checked, *(f"({visible(note)})" for note in answer.notes), *searched]
    if answer.refused:
        lines = [visible(marked_text(answer), keep_lines=True), f"({answer.refusal_reason})", *notes]
        if answer.sentences:
            return [*lines, "", "Sources:", *(f"  {visible(line)}" for line in cited_lines(answer))]
        nearest = [f"  {visible(line)}" for line in nearest_lines(answer)]
        return [*lines, "", "Nearest passages:", *nearest] if nearest else lines
    if answer.small_talk:
        return [answer.text]
    if answer.hedged:
        return [visible(answer.text, keep_lines=True), *notes]
    said = [f"{visible(one.before + one.text, keep_lines=True)} {mark_of(one)}" for one in answer.sentences]
    text = "\n".join(map(str.strip, said)) if answer.quoted else visible(marked_text(answer), keep_lines=True)
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


_MARKUP = str.maketrans({sign: f"\\{sign}" for sign in r"\`*_[]<>#|~&"})


def conversation_markdown(answers: Sequence[Answer], corpus: str) -> str:
    """A conversation as a Markdown document."""
    parts = [f"# Conversation about {escaped(corpus)}"]
    for answer in answers:
        parts.append(f"## {escaped(answer.question)}")
        if answer.standalone_question != answer.question:
            parts.append(f"*Searched for: {escaped(answer.standalone_question)}*")
        said = [f"{one.before}{one.text} {mark_of(one)}" for one in answer.sentences]
        if answer.quoted:
            parts += [*map(escaped, said), "*Quoted from the documents.*"]
        else:
            text = answer.text.strip() if answer.hedged else marked_text(answer)
            lines = (f"{escaped(line)}  " if line else "" for line in text.splitlines())
            parts.append("\n".join(lines).rstrip())
        parts += [f"*Checked by {escaped(one.by)}, {one.date}*" for one in [answer.checked] if one]
        parts += [f"*{escaped(note)}*" for note in answer.notes]
        if sources := [f"- {escaped(line)}" for line in cited_lines(answer)]:
            parts.append("\n".join(sources))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text from a stranger as one line of Markdown that formats nothing."""
    return visible(" ".join(text.split())).translate(_MARKUP)

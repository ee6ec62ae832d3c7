"""Evidence and answers as programs (JSON) and people (lines of text) see them."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from assistant.types import HEADING_SEPARATOR, Answer, Citation, Evidence, Sentence, Trace
from assistant.untrusted.instructions import gives_orders

_LONGEST_EXCERPT = 160
LONGEST_QUOTE = 300


def source_of(hit: Evidence) -> str:
    """Where a passage stands, for people: ``terms.pdf, p. 4 · § 7 Deadlines``."""
    place = f", p. {_range(hit.pages)}" if hit.pages else ""
    place += f", {hit.place}" if hit.place and not hit.pages else ""
    return f"{hit.document}{place}{' · ' + hit.heading if hit.heading else ''}"


def place_of(hit: Evidence) -> str:
    """Where a passage stands, by its title: ``Motor terms · § 7 Deadlines (terms.pdf, p. 4)``."""
    named, section = hit.title or hit.document, hit.heading.rsplit(HEADING_SEPARATOR, 1)[-1]
    page = f", p. {_range(hit.pages)}" if hit.pages else ""
    return f"{named}{f' · {section}' if section not in ('', named) else ''} ({hit.document}{page})"


def search_json(id_: str | int | None, question: str, hits: Sequence[Evidence]) -> dict[str, Any]:
    """The JSON of ``assistant search``."""
    return {"id": id_, "question": question, "hits": [hit_json(hit) for hit in hits]}


def hit_json(hit: Evidence) -> dict[str, Any]:
    """One hit, as ``search`` and ``ask`` print it."""
    return {
        "rank": hit.rank,
        "score": hit.score,
        "scores": {"dense": hit.dense, "lexical": hit.lexical},
        "ranks": {"dense": hit.dense_rank, "lexical": hit.lexical_rank},
        "document": hit.document,
        "path": hit.path,
        "title": hit.title,
        "date": hit.date,
        "language": hit.language,
        "pages": list(hit.pages),
        "place": hit.place,
        "heading": hit.heading,
        "start": hit.start,
        "end": hit.end,
        "header": hit.header,
        "text": hit.text,
        "warning": "orders" if gives_orders(hit.text, hit.context) else "",
    }


def answer_json(id_: str | int | None, answer: Answer, *, trace: bool = False) -> dict[str, Any]:
    """The JSON of ``assistant ask``; ``trace`` adds how the answer came about."""
    traced = {"trace": _trace_json(answer.trace)} if trace and answer.trace else {}
    return {
        "id": id_,
        "question": answer.question,
        "standalone_question": answer.standalone_question,
        "refused": answer.refused,
        "refusal_reason": answer.refusal_reason,
        "readings": list(answer.readings),
        "quoted": answer.quoted,
        "hedged": answer.hedged,
        "small_talk": answer.small_talk,
        "checked": _checked_json(answer),
        "like_checked": list(answer.like_checked),
        "notes": list(answer.notes),
        "answer": answer.text,
        "sentences": [_sentence_json(sentence, answer.hits) for sentence in answer.sentences],
        "hits": [hit_json(hit) for hit in answer.hits],
        "adapter": answer.adapter,
        "timings": dict(answer.timings),
        **traced,
    }


def mark_of(sentence: Sentence) -> str:
    """What stands behind a sentence: the numbers of its passages, or that there are none."""
    if not sentence.supported:
        return "[unsupported]"
    return "".join(dict.fromkeys(map(number_of, sentence.citations)))


def number_of(citation: Citation) -> str:
    """What stands for a citation in a text: ``[2]``; ``[2!]`` if it carries a warning."""
    return f"[{citation.hit}{'!' if citation.warning else ''}]"


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


def _trace_json(trace: Trace) -> dict[str, Any]:
    return {
        "searched": list(trace.searched),
        "rewriting": trace.rewriting,
        "found": [hit_json(hit) for hit in trace.found],
        "judgement": dict(trace.judgement),
        "dropped": list(trace.dropped),
        "prompt": trace.prompt,
        "said": trace.said,
    }


def _sentence_json(sentence: Sentence, hits: Sequence[Evidence]) -> dict[str, Any]:
    return {
        "text": sentence.text,
        "supported": sentence.supported,
        "reason": sentence.reason,
        "citations": [_citation_json(citation, hits) for citation in sentence.citations],
    }


def _citation_json(citation: Citation, hits: Sequence[Evidence]) -> dict[str, Any]:
    heading = next((hit.heading_at(citation.start).path for hit in hits if hit.rank == citation.hit), "")
    return {
        "hit": citation.hit,
        "document": citation.document,
        "path": citation.path,
        "page": citation.page,
        "heading": heading,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "warning": citation.warning,
    }


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def visible(text: str, *, keep_lines: bool = False) -> str:
    """Text from a stranger, fit for a terminal: what does not print is shown by its code."""
    return "".join(
        character
        if character.isprintable() or (keep_lines and character == "\n")
        else " "
        if character.isspace()
        else character.encode("unicode_escape").decode()
        for character in text
    )


def answer_lines(answer: Answer) -> list[str]:
    """An answer as lines for a terminal: sentences with footnotes, then the sources they cite."""
    if answer.refused:
        return _refusal_lines(answer)
    if answer.small_talk:
        return [answer.text]
    if answer.hedged:
        return [visible(answer.text, keep_lines=True), *_note_lines(answer)]
    said = [f"{visible(one.before + one.text, keep_lines=True)} {mark_of(one)}" for one in answer.sentences]
    text = "\n".join(map(str.strip, said)) if answer.quoted else ("".join(said) + rest_of(answer)).strip()
    sources = [
        f"  {number_of(one)} {visible(source_of(hit))}: “{excerpt(one.quote, LONGEST_QUOTE)}”"
        for one, hit in cited_parts(answer)
    ]
    quoted = ["(quoted from the documents)"] if answer.quoted else []
    return [
        text,
        *quoted,
        *_note_lines(answer),
        "",
        *(["Sources:", *sources] if sources else ["No passage supports this answer."]),
    ]


def _note_lines(answer: Answer) -> list[str]:
    return [*_checked_lines(answer), *(f"({visible(note)})" for note in answer.notes)]


def _refusal_lines(answer: Answer) -> list[str]:
    nearest = [f"  {visible(source_of(hit))}: {excerpt(hit.text)}" for hit in answer.hits]
    lines = [visible(answer.text, keep_lines=True), f"({answer.refusal_reason})", *_checked_lines(answer)]
    return [*lines, "", "Nearest passages:", *nearest] if nearest else lines


def _checked_json(answer: Answer) -> dict[str, str] | None:
    return {"by": answer.checked.by, "date": answer.checked.date.isoformat()} if answer.checked else None


def _checked_lines(answer: Answer) -> list[str]:
    checked = [f"(checked by {visible(one.by)}, {one.date})" for one in [answer.checked] if one]
    return [*checked, *(f"(A checked answer is there for: {visible(like)})" for like in answer.like_checked)]


def trace_lines(answer: Answer) -> list[str]:
    """How an answer came about, for a terminal: one step after the other. Empty without a trace."""
    trace = answer.trace
    if trace is None:
        return []
    rewriting = f" ({trace.rewriting})" if trace.rewriting else ""
    prompt = ["", "Prompt:", *_indented(trace.prompt)] if trace.prompt else []
    said = ["", "The model said:", *_indented(trace.said)] if trace.said else []
    return [
        "Trace:",
        *(f"  searched: {visible(question)}{rewriting}" for question in trace.searched),
        *(_found_line(hit, is_dropped=hit.rank in trace.dropped) for hit in trace.found),
        "  judged: " + (", ".join(f"{name} {value:.2f}" for name, value in trace.judgement.items()) or "nothing"),
        "  seconds: " + ", ".join(f"{step} {seconds:.2f}" for step, seconds in answer.timings.items()),
        *prompt,
        *said,
    ]


def _found_line(hit: Evidence, *, is_dropped: bool) -> str:
    ranks = f"dense {_place(hit.dense_rank, hit.dense)}, words {_place(hit.lexical_rank, hit.lexical)}"
    dropped = " - left out of the prompt: no room" if is_dropped else ""
    return f"  found {hit.rank}: {visible(source_of(hit))} (score {hit.score:.3f}; {ranks}){dropped}"


def _place(rank: int | None, score: float | None) -> str:
    return "-" if rank is None or score is None else f"#{rank} at {score:.2f}"


def _indented(text: str) -> list[str]:
    return [f"  | {visible(line)}" for line in text.splitlines()]


def excerpt(text: str, longest: int = _LONGEST_EXCERPT) -> str:
    """One line of a passage, cut at a word."""
    line = visible(" ".join(text.split()))
    if len(line) <= longest:
        return line
    blank = line.rfind(" ", 0, longest)
    return line[: blank if blank > 0 else longest] + " …"


def _range(pages: Sequence[int]) -> str:
    return str(pages[0]) if len(pages) == 1 else f"{pages[0]}–{pages[-1]}"

"""What every form of an answer says in the same way: where a passage stands, the marks of a sentence, what is cited."""

from itertools import takewhile

from assistant.text.printing import excerpt
from assistant.types import Answer, Citation, Evidence, Sentence

LONGEST_QUOTE = 300


def source_of(hit: Evidence) -> str:
    """Where a passage stands, for people: ``terms.pdf, p. 4 · § 7 Deadlines``."""
    place = f"p. {hit.page_range}" if hit.pages else hit.place
    return f"{hit.document}{f', {place}' if place else ''}{f' · {hit.heading}' if hit.heading else ''}"


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


def cited_lines(answer: Answer, longest: int = LONGEST_QUOTE) -> list[str]:
    """The same, a line each: ``[2] terms.pdf, p. 4: “We pay within 30 days.”``; file names and headings as they are."""
    return [f"{number_of(one)} {source_of(hit)}: “{excerpt(one.quote, longest)}”" for one, hit in cited_parts(answer)]


def nearest_lines(answer: Answer) -> list[str]:
    """The passages that a refusal found, a line each."""
    return [f"{source_of(hit)}: {excerpt(hit.text)}" for hit in answer.hits]

"""A conversation as text: an answer while it comes in, its footnotes, why it is what it is, and all of it as Markdown.

Words of documents, models and file names are from strangers: what does not print never reaches the terminal, and
what is markup is escaped.
"""

import re
from collections.abc import Callable, Sequence

from assistant.grounding.statements import statements
from assistant.presentation import LONGEST_QUOTE, cited_parts, excerpt, mark_of, number_of, rest_of, source_of, visible
from assistant.types import Answer, Evidence, Sentence

_MARKUP = re.compile(r"([\\`*_\[\]<>#|~&])")


class MarkedText:
    """Writes the words of an answer as they come, with the numbers of its passages behind each complete sentence."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.heard = ""
        """All words so far."""
        self._write = write
        self._written = 0
        self._complete = 0

    def words(self, text: str) -> None:
        """The next words. They are held back until the next call, which may say that a sentence ends in them."""
        self._write_up_to(len(self.heard))
        self.heard += text

    def sentence(self, sentence: Sentence) -> None:
        """A sentence is complete: its words have come."""
        start = self.heard.find(sentence.text, self._complete)
        if start < 0:
            return
        self._complete = start + len(sentence.text)
        if self._complete >= self._written:
            self._write_up_to(self._complete)
            self._write(f" {mark_of(sentence)}")

    def end(self) -> None:
        """No more words will come."""
        self._write_up_to(len(self.heard))

    def _write_up_to(self, end: int) -> None:
        if end > self._written:
            self._write(visible(self.heard[self._written : end], keep_lines=True))
            self._written = end


def differs(answer: Answer, heard: str) -> bool:
    """Whether what was heard while the answer came is not what it is in the end."""
    if (
        answer.refused
        or answer.quoted
        or answer.hedged
        or any(sentence.text not in heard for sentence in answer.sentences)
    ):
        return True
    last = answer.sentences[-1].text if answer.sentences else ""
    # A title behind the last sentence, of which nothing came, claims nothing.
    return any(statement.claims for statement in statements(heard[heard.rfind(last) + len(last) :]))


def footnotes(answer: Answer) -> list[str]:
    """The passages that the sentences cite, a line each, and what else a reader should know."""
    lines = [
        f"  {number_of(one)} {visible(source_of(hit))}: “{excerpt(one.quote, LONGEST_QUOTE)}”"
        for one, hit in cited_parts(answer)
    ]
    notes = [f"  Note: {visible(note)}" for note in answer.notes]
    return [*(lines or ["  No passage supports this answer."]), *notes]


def passages(hits: Sequence[Evidence]) -> list[str]:
    """Passages in full, each under the number that it is cited by."""
    lines: list[str] = []
    for hit in hits:
        lines += [f"[{hit.rank}] {visible(source_of(hit))}", *_indented(hit.text), ""]
    return lines[:-1]


def reasons(answer: Answer) -> list[str]:
    """Why an answer is what it is: what was searched for, found, judged and said, and what each step took."""
    trace = answer.trace
    if answer.small_talk:
        return ["Nothing was asked of the documents, so nothing was searched for."]
    if trace is None:
        return ["Nothing is known about this answer."]
    shown = {hit.rank for hit in answer.hits}
    searched = [f"  {visible(question)}" for question in trace.searched]
    found = [f"  {_found(hit, hit.rank in shown and hit.rank not in trace.dropped)}" for hit in trace.found]
    judged = ", ".join(f"{visible(name)} {value:.3f}" for name, value in trace.judgement.items())
    took = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in answer.timings.items())
    outcome = _outcome(answer)
    return [
        *([f"Rewritten: {visible(trace.rewriting)}"] if trace.rewriting else []),
        *("Searched for:", *searched),
        *("Found (score; meaning and words, each with its rank):", *found),
        *([f"Judged: {judged}"] if judged else []),
        *(["The model said:", *_indented(trace.said)] if trace.said else ["The model was not asked."]),
        *([f"Outcome: {outcome}"] if outcome else []),
        f"Time: {took}",
    ]


def markdown(answers: Sequence[Answer], corpus: str) -> str:
    """A conversation as a Markdown document."""
    parts = [f"# Conversation about {escaped(corpus)}"]
    for answer in answers:
        parts.append(f"## {escaped(answer.question)}")
        if answer.standalone_question != answer.question:
            parts.append(f"*Searched for: {escaped(answer.standalone_question)}*")
        parts.append(_answer_markdown(answer))
        sources = [
            f"- {escaped(number_of(one))} {escaped(source_of(hit))}: “{escaped(excerpt(one.quote, LONGEST_QUOTE))}”"
            for one, hit in cited_parts(answer)
        ]
        parts += [f"*Checked by {escaped(one.by)}, {one.date}*" for one in [answer.checked] if one]
        parts += [f"*{escaped(note)}*" for note in answer.notes]
        parts += ["\n".join(sources)] if sources else []
    return "\n\n".join(parts) + "\n"


def _outcome(answer: Answer) -> str:
    if answer.refused:
        return f"refused: {visible(answer.refusal_reason)}"
    return "hedged" if answer.hedged else "quoted" if answer.quoted else ""


def _answer_markdown(answer: Answer) -> str:
    said = [f"{one.before}{one.text} {mark_of(one)}" for one in answer.sentences]
    if answer.quoted:
        return "\n\n".join([*map(escaped, said), "*Quoted from the documents.*"])
    text = answer.text if answer.refused or answer.hedged or not said else "".join(said) + rest_of(answer)
    return "\n".join(f"{escaped(line)}  " if line else "" for line in text.strip().splitlines()).rstrip()


def _found(hit: Evidence, is_shown: bool) -> str:
    sides = f"{_side(hit.dense, hit.dense_rank)}, {_side(hit.lexical, hit.lexical_rank)}"
    return f"[{hit.rank}] {hit.score:.3f} ({sides}) {visible(source_of(hit))}{'' if is_shown else ' (not shown)'}"


def _side(score: float | None, rank: int | None) -> str:
    return "–" if score is None else f"{score:.3f} #{rank}"


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in visible(text, keep_lines=True).splitlines()]


def escaped(text: str) -> str:
    """Text from a stranger as one line of Markdown that formats nothing."""
    return _MARKUP.sub(r"\\\1", visible(" ".join(text.split())))

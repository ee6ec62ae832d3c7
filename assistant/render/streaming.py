"""An answer as one text, and the same text while it comes into being.

    text_of, SettledText     for a program that shows nothing else: it cannot take back what it was sent
    GrowingText, differs     for a terminal: words at once, and marks behind each complete sentence

A sentence carries the numbers of its passages, ``[2]``, or says that it is unsupported.
"""

import re
from collections.abc import Callable

from assistant.config import AnswerSettings
from assistant.grounding.statements import statements
from assistant.refusal import may_decline
from assistant.render.transcript import cited_lines, mark_of, nearest_lines, opening_of, rest_of
from assistant.text.printing import visible
from assistant.types import Answer, Sentence
from assistant.untrusted.markup import unlinked

_SOURCES_HEADING = "\n\nSources:\n"
_NEAREST_HEADING = "\n\nNearest passages:\n"
_MARKS = re.compile(r" ?(\[\d+!?\])+| \[unsupported\]")
# Characters, where a list of sources stands in every answer of an API.
_SHORT_QUOTE = 160


def text_of(answer: Answer, with_sources: bool) -> str:
    """The whole text; below it, if they are wanted, the cited passages with the words that support the answer.

    After a refusal that cites nothing these are the nearest passages. What comes closest names its places itself.
    """
    if answer.hedged:
        text = unlinked(answer.text)
    else:
        said = "".join(map(_marked, answer.sentences))
        text = f"{unlinked(opening_of(answer))}{said}".lstrip() + unlinked(rest_of(answer))
    if not with_sources or answer.hedged:
        return text
    heading, lines = _SOURCES_HEADING, [*cited_lines(answer, _SHORT_QUOTE)]
    if answer.refused and not answer.sentences:
        heading, lines = _NEAREST_HEADING, nearest_lines(answer)
    else:
        lines += [f"Note: {visible(note)}" for note in answer.notes]
    return text + (unlinked(heading + "\n".join(f"- {line}" for line in lines)) if lines else "")


def as_said(text: str) -> str:
    """A text of ``text_of`` without marks and sources: in a later prompt their numbers would mean other passages."""
    for heading in (_SOURCES_HEADING, _NEAREST_HEADING):
        text = text.partition(heading)[0]
    return _MARKS.sub("", text)


class SettledText:
    """The text of ``text_of`` bit by bit: a sentence when it has been held against the evidence and will stay."""

    def __init__(self, answering: AnswerSettings, with_sources: bool) -> None:
        self.sent = ""
        self._answering = answering
        self._stands = answering.unsupported == "show"
        self._said = ""
        self._held: list[str] = []
        self._with_sources = with_sources

    def next(self, sentence: Sentence) -> str:
        """What may be sent when a sentence is complete; often nothing.

        An answer that begins as a refusal will be one. Where unsupported answers are not shown, one without any
        sentence that is supported and to the point will be replaced.
        """
        self._said = f"{self._said} {sentence.text}".lstrip()
        self._stands = self._stands or (sentence.supported and sentence.to_the_point)
        self._held.append(_marked(sentence))
        if not self._stands or may_decline(self._said, self._answering):
            return ""
        text, self._held = "".join(self._held), []
        return self._send(text if self.sent else text.lstrip())

    def rest(self, answer: Answer) -> str:
        """What is left to send; an answer that took another turn is told anew in a paragraph of its own."""
        whole = text_of(answer, self._with_sources)
        return self._send(whole.removeprefix(self.sent) if whole.startswith(self.sent) else f"\n\n{whole}")

    def _send(self, text: str) -> str:
        self.sent += text
        return text


class GrowingText:
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


def _marked(sentence: Sentence) -> str:
    """A sentence with what stands before it and with its marks; as Markdown that leads nowhere."""
    return f"{unlinked(sentence.before + sentence.text)} {mark_of(sentence)}"

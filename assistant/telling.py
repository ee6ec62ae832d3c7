"""An answer as one text, for a program that shows nothing else; and the same text bit by bit.

A sentence carries the numbers of its passages, ``[2]``, or says that it is unsupported. A client cannot take back what
it was sent, so a stream tells a sentence when it has been held against the evidence, and holds sentences back until it
is sure that the answer stands.
"""

import re

from assistant.config import AnswerSettings
from assistant.presentation import cited_parts, excerpt, mark_of, number_of, rest_of, source_of, visible
from assistant.refusal.wording import may_decline
from assistant.types import Answer, Sentence
from assistant.untrusted.markup import unlinked

_SOURCES_HEADING = "\n\nSources:\n"
_NEAREST_HEADING = "\n\nNearest passages:\n"
_MARKS = re.compile(r" ?(\[\d+!?\])+| \[unsupported\]")


def text_of(answer: Answer, with_sources: bool) -> str:
    """The whole text, with the sources below if they are wanted."""
    if answer.refused or answer.hedged or not answer.sentences:
        text = unlinked(answer.text)
    else:
        text = "".join(map(marked, answer.sentences)).lstrip() + unlinked(rest_of(answer))
    return text + (_sources(answer) if with_sources else "")


def as_said(text: str) -> str:
    """A text of ``text_of`` without marks and sources: in a later prompt their numbers would mean other passages."""
    for heading in (_SOURCES_HEADING, _NEAREST_HEADING):
        text = text.partition(heading)[0]
    return _MARKS.sub("", text)


def marked(sentence: Sentence) -> str:
    """A sentence with what stands before it and with its marks; as Markdown that leads nowhere."""
    return f"{unlinked(sentence.before + sentence.text)} {mark_of(sentence)}"


class Teller:
    """Tells an answer while it comes into being."""

    def __init__(self, answering: AnswerSettings, with_sources: bool) -> None:
        self.told = ""
        self._answering = answering
        self._stands = answering.unsupported == "show"
        self._said = ""
        self._held: list[str] = []
        self._with_sources = with_sources

    def next(self, sentence: Sentence) -> str:
        """What may be told when a sentence is complete; often nothing.

        An answer that begins as a refusal will be one. Where unsupported answers are not shown, one without any
        sentence that is supported and to the point will be replaced.
        """
        self._said = f"{self._said} {sentence.text}".lstrip()
        self._stands = self._stands or (sentence.supported and sentence.to_the_point)
        self._held.append(marked(sentence))
        if not self._stands or may_decline(self._said, self._answering):
            return ""
        told, self._held = "".join(self._held), []
        return self._tell(told if self.told else told.lstrip())

    def rest(self, answer: Answer) -> str:
        """What is left to tell; an answer that took another turn is told anew in a paragraph of its own."""
        whole = text_of(answer, self._with_sources)
        return self._tell(whole.removeprefix(self.told) if whole.startswith(self.told) else f"\n\n{whole}")

    def _tell(self, text: str) -> str:
        self.told += text
        return text


def _sources(answer: Answer) -> str:
    """The cited passages with the words that support the answer; after a refusal, the nearest ones.

    What comes closest names its places itself.
    """
    if answer.hedged:
        return ""
    if answer.refused:
        nearest = [f"- {source_of(hit)}: {excerpt(hit.text)}" for hit in answer.hits]
        return unlinked(_NEAREST_HEADING + "\n".join(nearest)) if nearest else ""
    lines = [f"- {number_of(one)} {source_of(hit)}: “{excerpt(one.quote)}”" for one, hit in cited_parts(answer)]
    lines += [f"- Note: {visible(note)}" for note in answer.notes]
    return unlinked(_SOURCES_HEADING + "\n".join(lines)) if lines else ""

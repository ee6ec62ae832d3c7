"""An answer as plain text with its references, to be put into a letter."""

from assistant.render.citations import LONGEST_QUOTE, cited_parts, mark_of, number_of, rest_of
from assistant.text.printing import excerpt, visible
from assistant.types import Answer, Sentence
from ui.conversations import Turn
from ui.shown.pieces import checked_words
from ui.shown.places import source_line
from ui.texts import Words


def copied_text(turn: Turn, words: Words) -> str:
    """The standing answer of a turn, its sentences numbered, with the references below."""
    answer = turn.standing.answer
    if answer.refused or answer.hedged or not answer.sentences:
        return visible(answer.text, keep_lines=True)
    quoted = [f"{words('export.quoted')}\n"] if answer.quoted else []
    checked = [f"\n({visible(checked_words(answer.checked, words))})"] if answer.checked else []
    return "\n".join([*quoted, marked(answer, words), *checked, "", *references(answer, words)])


def marked(answer: Answer, words: Words) -> str:
    """The words of an answer with the marks of its sentences, in the lines that they stand in."""
    said = (f"{visible(one.before + one.text, keep_lines=True)} {mark(one, words)}" for one in answer.sentences)
    return ("".join(said) + rest_of(answer)).strip()


def mark(sentence: Sentence, words: Words) -> str:
    """What stands behind a sentence: the numbers of its passages, or that there are none."""
    return mark_of(sentence) if sentence.supported else f"[{words('chat.unsupported')}]"


def references(answer: Answer, words: Words) -> list[str]:
    """The cited passages, a line each: number, place and words."""
    return [
        f"{number_of(one)} {source_line(hit, words)}: "
        + words("chat.quoted_words", quote=excerpt(one.quote, LONGEST_QUOTE))
        for one, hit in cited_parts(answer)
    ]

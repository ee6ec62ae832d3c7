"""A conversation as a Markdown document. Whatever strangers wrote in it formats nothing."""

import re
from collections.abc import Sequence

from assistant.render.citations import cited_lines, mark_of, rest_of
from assistant.text.printing import visible
from assistant.types import Answer

_MARKUP = re.compile(r"([\\`*_\[\]<>#|~&])")


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
            is_plain = answer.refused or answer.hedged or not said
            text = answer.text if is_plain else "".join(said) + rest_of(answer)
            lines = (f"{escaped(line)}  " if line else "" for line in text.strip().splitlines())
            parts.append("\n".join(lines).rstrip())
        parts += [f"*Checked by {escaped(one.by)}, {one.date}*" for one in [answer.checked] if one]
        parts += [f"*{escaped(note)}*" for note in answer.notes]
        if sources := [f"- {escaped(line)}" for line in cited_lines(answer)]:
            parts.append("\n".join(sources))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text from a stranger as one line of Markdown that formats nothing."""
    return _MARKUP.sub(r"\\\1", visible(" ".join(text.split())))

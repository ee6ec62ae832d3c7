"""A Modelfile: what Ollama needs beside a GGUF file to ask a model as this program does.

Ollama has templates of its own (Go's). Rather than translate Jinja, the text that the chat template puts before each
turn is read off from a conversation, and said again in Ollama's terms.
"""

from assistant.engines.template import ChatTemplate
from assistant.types import Message

_MARKS = [f"\ue0a8{number}\ue0a8" for number in range(4)]


def modelfile(template: ChatTemplate, system: str, sources: str) -> str:
    """The Modelfile. ``sources`` are its FROM and ADAPTER lines; ``system`` is the text that comes first."""
    stop = template.tokenizer.decode([template.end_of_turn])
    return (
        f"{sources}\n"
        f'TEMPLATE """{_go_template(before_turns(template))}"""\n'
        f'SYSTEM """{system}"""\n'
        f'PARAMETER stop "{stop}"\n'
        "PARAMETER temperature 0\n"
    )


def before_turns(template: ChatTemplate) -> dict[str, str]:
    """What stands before the text of each turn: ``system``, the ``first`` question, an ``answer``, a later ``user``."""
    system, first, answer, user = _MARKS
    turns = [Message("system", system), Message("user", first), Message("assistant", answer), Message("user", user)]
    text = template.prompt_text(turns)
    before: dict[str, str] = {}
    for name, mark in zip(("system", "first", "answer", "user"), _MARKS, strict=True):
        before[name], _, text = text.partition(mark)
    return before


def _go_template(before: dict[str, str]) -> str:
    return (
        "{{ range $i, $_ := .Messages }}"
        f'{{{{ if eq .Role "system" }}}}{before["system"]}'
        f'{{{{ else if eq .Role "assistant" }}}}{before["answer"]}'
        f"{{{{ else if eq $i 1 }}}}{before['first']}"
        f"{{{{ else }}}}{before['user']}{{{{ end }}}}{{{{ .Content }}}}{{{{ end }}}}"
        f"{before['answer']}"
    )

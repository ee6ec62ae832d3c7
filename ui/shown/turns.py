"""A question with the reply to it, or with two beside each other, and what can be done with them."""

from collections.abc import Sequence

from assistant.artifacts.adapters import BASE
from assistant.feedback.types import Judgement
from ui.conversations import Reply, Turn
from ui.shown.answers import Draft, answer_html, draft_html
from ui.shown.copied import copied_text
from ui.shown.pieces import note_html
from ui.shown.safe import button, escaped
from ui.shown.teaching import teaching_html, thanks_html
from ui.texts import Words

_LETTERS = "AB"


def turn_html(turn: Turn, words: Words) -> str:
    """A turn that is complete, and below it the form to say what is right and wrong in the answer."""
    replies = [_reply(_said(reply, words), reply_name(turn, at, words)) for at, reply in enumerate(turn.replies)]
    vote = _vote(turn, words) if len(turn.replies) > 1 else ""
    # Of a greeting there is nothing to copy, to explain or to judge.
    below = "" if turn.is_small_talk else f"{vote}{_actions(turn, words)}{_teaching(turn, words)}"
    return (
        f'<article class="turn" id="turn-{turn.id}" aria-label="{escaped(turn.question)}">{_question(turn.question)}'
        f"{_side_by_side(replies)}{below}</article>"
    )


def asking_html(question: str, drafts: Sequence[Draft], words: Words) -> str:
    """A turn that is coming in."""
    replies = [_reply(draft_html(draft, question, words), "") for draft in drafts]
    return f'<article class="turn is-coming" aria-busy="true">{_question(question)}{_side_by_side(replies)}</article>'


def failed_html(question: str, message: str, remedy: str, words: Words) -> str:
    """A question that could not be answered, and what helps."""
    return (
        f'<article class="turn">{_question(question)}<div class="failure" role="alert">'
        f'<p class="lead">{escaped(words("chat.failed"))}</p><p>{escaped(message)}</p><p>{escaped(remedy)}</p>'
        f"</div></article>"
    )


def _question(question: str) -> str:
    return f'<h2 class="question">{escaped(question)}</h2>'


def _side_by_side(replies: Sequence[str]) -> str:
    return f'<div class="replies{" two" if len(replies) > 1 else ""}">{"".join(replies)}</div>'


def _reply(content: str, name: str) -> str:
    named = f'<p class="who">{escaped(name)}</p>' if name else ""
    return f'<section class="reply">{named}{content}</section>'


def _said(reply: Reply, words: Words) -> str:
    stopped = note_html(words("chat.stopped")) if reply.stopped else ""
    return answer_html(reply.answer, reply.corpus, words, reply.suggestions) + stopped


def reply_name(turn: Turn, at: int, words: Words) -> str:
    """What replied: its name, or a letter while it is hidden; nothing where only one did."""
    if len(turn.replies) == 1:
        return ""
    hidden = turn.blind and turn.preferred is None
    letter = words("chat.answer_letter", letter=_LETTERS[at])
    chosen = f" · {words('chat.preferred')}" if turn.preferred == at else ""
    return f"{letter}{chosen}" if hidden else f"{letter}: {_model_name(turn.replies[at], words)}{chosen}"


def _model_name(reply: Reply, words: Words) -> str:
    """``sample · house``; the base model in words."""
    return f"{reply.corpus} · {words('chat.base') if reply.adapter in (None, BASE) else reply.adapter}"


def _teaching(turn: Turn, words: Words) -> str:
    """Nothing under two answers before one is chosen: the vote comes first."""
    if len(turn.replies) > 1 and turn.preferred is None:
        return ""
    return thanks_html(turn.id, Judgement(turn.verdict), words) if turn.verdict else teaching_html(turn, words)


def _vote(turn: Turn, words: Words) -> str:
    if turn.preferred is not None:
        return ""
    choices = ((0, "chat.vote_a"), (1, "chat.vote_b"), (-1, "chat.vote_same"))
    buttons = "".join(button(words(key), "chip", do="vote", turn=turn.id, reply=reply) for reply, key in choices)
    asked = escaped(words("chat.vote"))
    return f'<div class="vote" role="group" aria-label="{asked}"><span>{asked}</span>{buttons}</div>'


def _actions(turn: Turn, words: Words) -> str:
    copies = button(words("chat.copy"), "quiet", copy=copied_text(turn, words), copied=words("chat.copied"))
    others = (("retry", "chat.retry"), ("edit", "chat.edit"), ("why", "chat.why"))
    buttons = "".join(button(words(key), "quiet", do=do, turn=turn.id) for do, key in others)
    return f'<div class="actions">{copies}{buttons}</div>'

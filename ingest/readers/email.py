"""Saved mail (EML): the head as a first paragraph, the body as text; attachments are named, not read."""

from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from typing import Any

from assistant.types import Block, Document

from .clean import MAX_JUNK_SHARE, check_text, clean, decode, fold, iso_date
from .html import Unseen, parse
from .html_blocks import blocks_of
from .reading_limits import Refused
from .text import text_blocks

_HEAD = ("Subject", "From", "To", "Cc", "Date")
_NO_CHARSETS = ("us-ascii", "unknown-8bit")
# The parser takes the square of a header's length.
_LONGEST_HEADER = 4_000
_TELLING = (*_HEAD, "Received", "Message-ID", "MIME-Version", "Content-Type")


class _Policy(policy.EmailPolicy):
    """The usual one, for the beginnings of headers; one of brackets in brackets says nothing."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        try:
            return super().header_fetch_parse(name, value[:_LONGEST_HEADER])
        except RecursionError:
            return super().header_fetch_parse(name, "")


def read_email(data: bytes) -> Document:
    """A mail: subject, sender, date and body; attachments are only named. Raises ``Refused`` for what is no mail."""
    message = message_from_bytes(data, policy=_Policy())
    if not isinstance(message, EmailMessage):
        raise TypeError("the mail parser returned another kind of message")
    if not any(name in message for name in _TELLING):  # the parser takes any bytes for the body of a mail
        raise Refused("is no mail: it has no sender, subject or date", "Give it the suffix of its real format.")
    head = {name: value for name in _HEAD if (value := fold(clean(str(message.get(name, "")))))}  # each parses it
    fields = "\n".join(f"{name}: {value}" for name, value in head.items())
    blocks = [Block(fields, "fields")] if head else []
    body, hidden = message.get_body(preferencelist=("plain", "html")), Unseen()
    if body is not None and body.get_content_subtype() == "html":
        root, hidden = parse(_text(body))
        blocks.extend(blocks_of(root))
    elif body is not None:
        blocks.extend(text_blocks(clean(_text(body))))
    names = [fold(clean(part.get_filename() or part.get_content_type())) for part in message.iter_attachments()]
    listed = ", ".join(name[:80] for name in names[:10])
    attached = (f"attachments were not read ({len(names)}): {listed}",) if names else ()
    return Document(
        title=head.get("Subject", ""),
        blocks=tuple(blocks),
        format="email",
        date=iso_date(head.get("Date", "")),
        metadata={"author": head["From"]} if "From" in head else {},
        warnings=(*attached, *hidden.warnings()),
    )


def _text(part: MIMEPart) -> str:
    try:
        text = str(part.get_content())
    except (LookupError, UnicodeError):
        text = ""
    says_nothing = part.get_content_charset("us-ascii") in _NO_CHARSETS
    if not text or ("\ufffd" in text and (says_nothing or text.count("\ufffd") > MAX_JUNK_SHARE * len(text))):
        # An encoding that no one knows, or another than was said; the bytes may still say what they are.
        payload = part.get_payload(decode=True)
        return decode(payload)[0] if isinstance(payload, bytes) else ""
    check_text(text)
    return text

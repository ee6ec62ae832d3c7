"""What both gates do with the body of a request before anything else reads it."""

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive


async def body_of(receive: Receive, headers: Headers, most: int, too_large: Exception) -> bytes:
    """The whole body. Raises ``too_large`` for one of more than ``most`` bytes, before it is all there.

    Raises ClientDisconnect where the rest of it will not come.
    """
    if stated_length(headers) > most:
        raise too_large
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise too_large
    return bytes(body)


def again(body: bytes, receive: Receive) -> Receive:
    """``receive`` that gives a body which was read already, and then what comes after it."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return parts.pop() if parts else await receive()

    return replayed


def stated_length(headers: Headers) -> int:
    """Bytes of the body as its header has them; 0 for a header that is no number."""
    stated = headers.get("content-length", "")
    return int(stated) if stated.isdecimal() and len(stated) < 20 else 0

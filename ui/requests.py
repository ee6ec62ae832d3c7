"""What both gates do with a request before anything else reads it: its size, its body, the host it names."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Message, Receive

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


async def body_of(receive: Receive, headers: Headers, most: int, too_large: Exception) -> bytes:
    """The whole body. Raises ``too_large`` for one of more than ``most`` bytes, before it is all there."""
    if stated_length(headers) > most:
        raise too_large
    body = bytearray()
    more = True
    while more:
        message = await receive()
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


def host_of(address: str) -> str:
    """Name of the host in an address or ``//host:port``; empty if there is none."""
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""

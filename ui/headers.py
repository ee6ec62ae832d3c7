"""Headers that make a browser distrust what it is sent, and the Content-Security-Policy of each page.

Scripts run from our own files, and inline only where they stood in the page as we sent it: a script that came with a
document, a name or an answer has no hash, and an ``onerror=`` never has. Nothing is loaded from other hosts.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders

from ui.signin_page import STYLE_SOURCE

_EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-robots-tag": "noindex",
}
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
SIGN_IN_POLICY = (
    f"default-src 'none'; style-src {STYLE_SOURCE}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc\s*=)[^>]*>(.*?)</script", re.DOTALL | re.IGNORECASE)
_CONFIG = re.compile(rb"window\.gradio_config = (\{.*?\});</script>", re.DOTALL)


def app_policy(page: bytes) -> str:
    """The policy of a page of the app, which Gradio has written."""
    return "; ".join(
        (
            "default-src 'self'",
            # gr.HTML fills its template by evaluating it, so that nothing of ours could be shown without 'unsafe-eval'.
            f"script-src 'self' 'unsafe-eval' {' '.join(_hashes(page))}",
            # Svelte writes styles into elements; a style cannot run, and can load nothing from elsewhere.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "frame-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def protect(headers: MutableHeaders, policy: str = "", *, cached: bool = False) -> None:
    """Add what every response has. A policy that is there already stands, as that of a report in a frame."""
    own = "content-security-policy" in headers
    headers.setdefault("content-security-policy", policy or _NOTHING)
    headers.setdefault("x-frame-options", "SAMEORIGIN" if own else "DENY")
    if "cache-control" not in headers:
        headers["cache-control"] = "private, max-age=86400" if cached else "no-store"
    for name, value in _EVERYWHERE.items():
        headers.setdefault(name, value)


def _hashes(page: bytes) -> Iterable[str]:
    """The inline scripts of a page as sources, those that Gradio puts into its head later too."""
    config = _CONFIG.search(page)
    head = str(json.loads(config[1]).get("head") or "") if config else ""
    for script in _INLINE_SCRIPT.findall(page) + _INLINE_SCRIPT.findall(head.encode()):
        # What is hashed is the text that the browser's parser sees, with its line ends.
        text = script.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"

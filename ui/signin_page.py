"""The page that asks for name and password: no script, nothing from elsewhere, light and dark."""

import base64
import hashlib
from functools import partial

from markupsafe import Markup

from assistant.text.languages import Language
from ui.shown.templates import filled
from ui.texts import text

_STYLE = """
:root { color-scheme: light dark; --paper: #faf9f7; --card: #fff; --ink: #1c1917; --quiet: #57534e; --line: #e7e5e4;
        --field: #a8a29e; --accent: #0f766e; --on-accent: #fff; --bad: #b91c1c; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #141312; --card: #1c1a19; --ink: #f5f5f4; --quiet: #a8a29e; --line: #33302d; --field: #78716c;
          --accent: #2dd4bf; --on-accent: #042f2e; --bad: #fca5a5; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--paper);
       color: var(--ink); font: 16px/1.5 Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { width: 100%; max-width: 400px; padding: 40px 32px; background: var(--card); border: 1px solid var(--line);
       border-radius: 12px; }
h1 { margin: 0 0 4px; font-size: 22px; line-height: 1.3; letter-spacing: -.01em; }
p { margin: 0; color: var(--quiet); }
form { margin-top: 24px; display: grid; gap: 8px; }
label { font-size: 14px; font-weight: 600; }
input { width: 100%; margin-bottom: 8px; padding: 10px 12px; font: inherit; color: inherit; background: transparent;
        border: 1px solid var(--field); border-radius: 10px; }
button { margin-top: 8px; padding: 12px; font: inherit; font-weight: 600; color: var(--on-accent);
         background: var(--accent); border: 0; border-radius: 10px; cursor: pointer; }
button:hover { filter: brightness(1.08); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.problem { margin-top: 16px; color: var(--bad); }
"""
STYLE_SOURCE = f"'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
"""The style as a source in a Content-Security-Policy."""


def sign_in_page(language: Language, wanted: str, name: str, problem: str) -> Markup:
    """The page. ``wanted`` is where it leads to, ``problem`` the key of a text that says why it is shown again."""
    return filled(
        "signin.page",
        language=language,
        style=Markup(_STYLE),
        wanted=wanted,
        name=name,
        problem=problem,
        words=partial(text, language=language),
    )

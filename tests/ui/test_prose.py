"""Answers in Markdown as HTML: what a model writes becomes lists and tables, and never a way out of the page."""

import re
import time
from html.parser import HTMLParser

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from payloads import PAYLOADS

from assistant.grounding.statements import statements
from ui.shown.prose import StyledSpan, prose, settled, verbatim

BOLD = (Markup("<b>"), Markup("</b>"))

TAGS = frozenset(
    "p ul ol li blockquote table thead tbody tr th td strong em h3 h4 h5 hr br pre code div span b".split()
)
ATTRIBUTES = {("ol", "start"), ("div", "class"), ("div", "tabindex"), ("span", "class")}
ACT = "window.pwned=1"
MARKDOWN = (
    "![x](https://evil.example/track.png)", '![x](https://evil.example/a.png "onerror=x")',
    "![x][1]\n\n[1]: //evil.example/a", "![x]\n\n[x]: https://evil.example/a.png",
    "[![x](//evil.example/a)](//evil.example)", f"[go](javascript:{ACT})", f"[go](JaVaScRiPt:{ACT})",
    f"[go](java&#115;cript:{ACT})", f"[go](<javascript:{ACT}>)", f"[go](\\javascript:{ACT})",
    f"[go](data:text/html,<script>{ACT}</script>)", f"[go](vbscript:{ACT})", "[go](//evil.example)",
    "[go](/users.json)", "[go](#x)", f"[go][r]\n\n[r]: javascript:{ACT}", f"[r]\n\n[r]: <javascript:{ACT}>",
    f"<javascript:{ACT}>", "<https://evil.example>", "<mailto:a@evil.example>", "https://evil.example/x",
    "www.evil.example", f"<script>{ACT}</script>", f"<div onclick={ACT}>\n\n**x**\n\n</div>",
    f"<img src=x onerror={ACT}>", f"a <b onx={ACT}>b</b>", f"<!-- {ACT} -->", f"<?php {ACT} ?>", f"<![CDATA[{ACT}]]>",
    f"<!DOCTYPE x [{ACT}]>", "&lt;script&gt;", "&#60;img src=x&#62;", "&NewLine;&colon;", f"`<script>{ACT}</script>`",
    f"``` <script>{ACT}</script>\nx\n```", f"```\" onx=\"{ACT}\nx\n```", f"~~~<img onerror={ACT}>\nx",
    f"| <script>{ACT}</script> | b |\n|---|:-:|\n| <img src=x> | [x](javascript:{ACT}) |",
    f"> <script>{ACT}</script>\n> > <img src=x>", f"1. <script>{ACT}</script>\n   - <img src=x>",
    f"# <script>{ACT}</script> #", f"**<script>{ACT}</script>**", f"***[x](javascript:{ACT})***",
    f"\\<script>{ACT}\\</script>", f"<scr**ipt>{ACT}</scr**ipt>", f"*<a href=\"*javascript:{ACT}*\">*",
    '**" onmouseover="x**', f"99999999999999. {ACT}", f"\u202e**{ACT}**\u202c\u200b",
    f"\u2028<script>{ACT}</script>\u2029", f"a\0**b**<img\0src=x onerror={ACT}>", "\ue000**x**\ue001",
    "$\\href{javascript:x}{y}$", "x{style=color:red}", "[x]{onclick=x}", "- [x] <input onfocus=x>",
    "[^1]\n\n[^1]: <script>", ":::x onx=1\n:::", "==x==~~y~~^z^",
)  # fmt: skip
SHELLS = (
    "{}", "- {}", "3. {}", "> {}", "### {}", "**{}**", "_{}_", "`{}`", "```\n{}\n```", "~~~ {}\nx\n~~~",
    "| a | b |\n|---|---|\n| {} | x |", "| {} | b |\n|---|---|\n| y | x |", "- a\n  - {}\n\n  b", "> - 1. {}",
    "x\n{}\n===\n", "[x]: {}", "<p>\n{}", "    {}", "a  \n{}\\\nb",
)  # fmt: skip
TABLE = "| a | b |\n|---|---|\n| Glass | **€500** |"
ANSWER = """Here is **what** the *documents* say:

### Hail and `glass`

- **Deductible:** You bear 150 euros. Nothing else.
  - Report it in **14 days**.

2. Send us photos.

| Benefit | Home |
|---|--:|
| Glass | **€500** |

> Quoted words.

```text
one  two
```

The end."""


class Checked(HTMLParser):
    """Notes what is not one of our tags or attributes, and whether each tag is closed where it has to be."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""
        self.feed(str(html))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {(tag, name) for name, _ in attrs} <= ATTRIBUTES
        assert all(re.fullmatch(r"\d+|last|wide", value or "") for _, value in attrs)
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def shown(text: str, spans: list[StyledSpan] | None = None) -> Checked:
    return Checked(prose(text, spans or []))


def marked(text: str) -> list[StyledSpan]:
    """Each statement with a number behind it, every other one in a look of its own."""
    return [
        StyledSpan(
            one.start, one.end, *(BOLD if number % 2 else (Markup(), Markup())), Markup(f"<span>{number}</span>")
        )
        for number, one in enumerate(statements(text))
    ]


def test_there_are_enough_payloads() -> None:
    assert len(set(MARKDOWN)) >= 40


@pytest.mark.parametrize("payload", [*MARKDOWN, *PAYLOADS])
def test_nothing_in_markdown_becomes_a_link_a_picture_or_a_tag(payload: str) -> None:
    for shell in SHELLS:
        text = shell.format(payload) if "{}" in shell else payload
        shown(text, marked(text))
        assert Checked(verbatim(text, marked(text))).text.replace("\n", "")  # a document's words are never Markdown
        for end in range(0, len(text), 3):  # as it comes in
            shown(settled(text[:end]), [StyledSpan(0, end // 2, *BOLD, Markup("<span>1</span>"))])


def test_what_a_model_writes_is_shown_as_every_chat_shows_it() -> None:
    soup = BeautifulSoup(prose(ANSWER, []), "html.parser")
    assert [one.name for one in soup.find_all(recursive=False)] == [
        "p",
        "h5",
        "ul",
        "ol",
        "div",
        "blockquote",
        "pre",
        "p",
    ]
    assert [one.text for one in soup.select("strong")] == ["what", "Deductible:", "14 days", "€500"]
    assert [one.text for one in soup.select("em, code")] == ["documents", "glass", "one  two"]
    assert [one.text for one in soup.select("li li, th, td")] == [
        "Report it in 14 days.", "Benefit", "Home", "Glass", "€500",
    ]  # fmt: skip
    assert soup.select_one("ol")["start"] == "2"  # type: ignore[index]


def test_a_mark_stands_behind_the_last_word_of_its_sentence() -> None:
    text = "- **Hail:** It is covered. **You bear 150 euros.**\n\n" + TABLE + "\n\n```\nx y\n```"
    soup = BeautifulSoup(prose(text, marked(text)), "html.parser")
    marks = soup.find_all("span", string=re.compile(r"^\d$"))
    assert [str(one.previous_element) for one in marks] == ["covered.", "You bear 150 euros.", "b", "€500", "y"]
    assert [one.name for one in soup.select(":has(> b)")] == ["strong", "td", "strong"]


def test_no_signs_are_seen_while_an_answer_comes_in() -> None:
    for end in range(len(ANSWER) + 1):
        text = shown(settled(ANSWER[:end])).text
        assert not re.search(r"[*`|]|###|---", text), (ANSWER[:end], text)


def test_what_is_shown_while_an_answer_comes_in_only_grows() -> None:
    seen = ""
    for end in range(len(ANSWER) + 1):
        text = shown(settled(ANSWER[:end])).text
        assert text[: len(seen) - 3].startswith(seen[:-3]), (seen, text)
        seen = text


@given(st.text(alphabet=st.sampled_from("ab *_`#>|-+.1)\n\\[]!(<&:~ \t\r\u202e"), max_size=80))
def test_every_text_is_shown_in_full(text: str) -> None:
    found = shown(text, marked(text)).text
    if "```" not in text and "~~~" not in text:  # what stands behind a fence names a language
        assert re.sub(r"[^ab]", "", found) == re.sub(r"[^ab]", "", text)


@pytest.mark.parametrize(
    "unit",
    ["> ", "- ", "* ", "1. ", "- > ", "**a ", "*a* ", "_", "`", "``a", "[", "![a](", "| a ", "|a|\n", "- a\n", "> a\n",
     "```\n", "\\*", "|a|b|\n|-|-|\n", "***a", "<b>", "漢"],
)  # fmt: skip
def test_huge_texts_take_no_time_and_no_recursion(unit: str) -> None:
    text = (unit * 10_000)[:30_000]
    began = time.process_time()
    html = prose(settled(text), [StyledSpan(0, len(text), *BOLD, Markup("<span>1</span>"))])
    assert time.process_time() - began < 2
    Checked(html)

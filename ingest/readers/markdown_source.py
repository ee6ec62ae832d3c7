"""Markdown: front matter to metadata, the rest through HTML to blocks."""

import re
from collections import deque
from functools import cache
from typing import TYPE_CHECKING

import yaml

from assistant.types import Document

from .clean import clean, decode, fold, iso_date
from .html import parse
from .html_blocks import blocks_of

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_COMMENT = re.compile(r"\{%-?\s*(?:comment\b|(?P<end>endcomment\s*-?%\}))")
_LONGEST_COMMENT = 20_000  # characters; tags further apart are no pair, and what is between them is kept
_RAW = re.compile(r"\{%-?\s*(?:end)?raw\s*-?%\}")
_ARGUMENT_TAG = re.compile(
    r"""\{%-?\s*(?!include|page|assign|if|for|link|alert|capture)\w+\s+["']([\w -]+)["']\s*-?%\}"""
)
_CODE_OR_TAG = re.compile(
    r"(^(?:```|~~~).*?^(?:```|~~~)|`[^`\n]+`)|\{%.{0,500}?%\}|\{\{.{0,500}?\}\}|\{:[^{}\n]*\}",
    re.DOTALL | re.MULTILINE,
)
_BLOCK_TAG_LINE = re.compile(
    r"^[ \t]*(</?(?:div|details|section|article|aside|main|li|ul|ol|p)\b[^<>\n]*>"
    r"|<(summary|button|h[1-6])\b[^<>\n]*>.*</\2>)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_LINK = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\s]*\)")
_STRONG = re.compile(r"(\*\*|__)(?=\S)([^*_\n]+?)(?<=\S)\1")
_CODE = re.compile(r"`([^`\n]+)`")
_LOST_STARS = re.compile(r"\*{2,}")
_KEPT = ("description", "keywords", "author", "tags", "category")
MAX_FRONT_MATTER = 100_000  # characters; far more than metadata has, and YAML is slow to read


def read_markdown(data: bytes) -> Document:
    """Markdown with front matter and embedded HTML."""
    text, warnings = decode(data)
    text = clean(text)
    known, body, problem = split_front_matter(text)
    root, hidden = parse(render(body))
    return Document(
        title=_text_of(known.get("title") or known.get("heading")),
        blocks=tuple(blocks_of(root)),
        format="markdown",
        date=next(filter(None, (iso_date(known.get(key)) for key in ("date", "last_updated", "lastupdate"))), ""),
        language=_text_of(known.get("lang") or known.get("language")),
        metadata={key: value for key in _KEPT if (value := _text_of(known.get(key)))},
        warnings=(*warnings, *problem, *hidden.warnings()),
    )


def split_front_matter(text: str) -> tuple[dict[str, object], str, tuple[str, ...]]:
    """What the front matter says (keys in lower case), the text below it, and at most one warning."""
    # YAML forbids tabs in places where editors leave them at line ends.
    lines = text.lstrip().split("\n")
    bare = [line.rstrip("\t ") for line in lines]
    end = next((at for at, line in enumerate(bare) if at and line in ("---", "...")), 0)
    front = "\n".join(bare[1:end])
    if bare[0] != "---" or not end or len(front) > MAX_FRONT_MATTER:
        return {}, text, ()
    body = "\n".join(lines[end + 1 :])
    try:
        known = yaml.safe_load(front)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return {}, body, (f"front matter is not valid YAML and was skipped: {fold(str(error))[:120]}",)
    if isinstance(known, dict):
        return {str(key).lower(): value for key, value in known.items()}, body, ()
    if known is None:
        return {}, body, ()
    # Two rules with prose between them look the same; the prose is text, not metadata.
    return {}, text, ("front matter is not a mapping and was read as text",)


def _text_of(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(fold(str(item)) for item in value[:50] if isinstance(item, (str, int, float)))
    if isinstance(value, int) and abs(value) > 10**18:
        return ""
    return fold(str(value)) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def render(text: str) -> str:
    """HTML of Markdown; template tags are dropped, Markdown inside HTML blocks is rendered too."""
    # Comments of templates go from the first beginning that is near enough to each end.
    kept: list[str] = []
    begun: deque[re.Match[str]] = deque()
    done = 0
    for tag in _COMMENT.finditer(text):
        if not tag["end"]:
            begun.append(tag)
            continue
        while begun and tag.start() - begun[0].end() > _LONGEST_COMMENT:
            begun.popleft()
        if begun:
            kept.append(text[done : begun[0].start()])
            done = tag.end()
        begun.clear()
    text = _RAW.sub("", "".join([*kept, text[done:]]))
    text = _CODE_OR_TAG.sub(lambda match: match.group(1) or "", _ARGUMENT_TAG.sub(r"\1", text))
    # CommonMark reads Markdown inside an HTML block only after an empty line; authors forget it.
    renderer = _renderer()
    tokens = renderer.parse(_BLOCK_TAG_LINE.sub(r"\n\1\n", text))
    for token in tokens:
        if token.type == "html_block":
            token.content = _CODE.sub(r"\1", _STRONG.sub(r"\2", _LINK.sub(r"\1", token.content)))
        for child in token.children or ():
            if child.type == "text":
                # Stars that no rule paired (``word **``) are markup that failed, not text.
                child.content = _LOST_STARS.sub("", _LINK.sub(r"\1", child.content))
    return str(renderer.renderer.render(tokens, renderer.options, {}))


@cache
def _renderer() -> "MarkdownIt":
    from markdown_it import MarkdownIt
    from mdit_py_plugins.deflist import deflist_plugin
    from mdit_py_plugins.footnote import footnote_plugin

    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    # Indented HTML, headings and lists are common in real files, indented code is rare beside fences.
    return renderer.disable("code").use(deflist_plugin).use(footnote_plugin)

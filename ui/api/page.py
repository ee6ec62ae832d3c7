"""The page at /docs: what can be asked of the server, without a script and without anything from elsewhere."""

from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; background: #8881; border-radius: 4px; padding: .1em .3em; }
pre { padding: .8em; overflow-x: auto; } h2 { margin-top: 2.5rem; }
td { padding: .2rem 1rem .2rem 0; vertical-align: top; }
"""


def docs_page(openapi: dict[str, Any], address: str) -> str:
    """The page, from the OpenAPI document. ``address`` is what the reader reached the server by."""
    example = f"""curl {address}/v1/chat/completions -H 'Content-Type: application/json' \\
  -H 'Authorization: Bearer TOKEN' \\
  -d '{{"model": "default", "messages": [{{"role": "user", "content": "What is covered?"}}]}}'"""
    operations = [
        _operation(method, path, operation, openapi)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    title = escape(openapi["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><p>{escape(openapi['info']['description'])} For programs:"
        f' <a href="/openapi.json">openapi.json</a>.</p><pre>{escape(example)}</pre>{"".join(operations)}</html>'
    )


def _operation(method: str, path: str, operation: dict[str, Any], openapi: dict[str, Any]) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = str(body.get("$ref", "")).rpartition("/")[2]
    schema = openapi["components"]["schemas"].get(name, {})
    rows = [
        _row(field, about, field in schema.get("required", ())) for field, about in schema.get("properties", {}).items()
    ]
    table = f"<table>{''.join(rows)}</table>" if rows else ""
    text = escape(operation.get("description", ""))
    return f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{text}</p>{table}"


def _row(field: str, about: dict[str, Any], is_required: bool) -> str:
    needed = "<b>needed</b>" if is_required else ""
    kinds = [_kind(one) for one in about.get("anyOf", [about])]
    kind = " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    text = escape(about.get("description", ""))
    return f"<tr><td><code>{escape(field)}</code></td><td>{escape(kind)}</td><td>{needed} {text}</td></tr>"


def _kind(schema: dict[str, Any]) -> str:
    return str(schema.get("type") or schema.get("$ref", "").rpartition("/")[2])

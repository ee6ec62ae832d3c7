"""The page at /docs: what can be asked of the server, without a script and without anything from elsewhere."""

from typing import Any

from markupsafe import Markup

from ui.shown.templates import filled

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
    operations = []
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            name = str(body.get("$ref", "")).rpartition("/")[2]
            schema = openapi["components"]["schemas"].get(name, {})
            fields = []
            for field, about in schema.get("properties", {}).items():
                kinds = [
                    str(one.get("type") or one.get("$ref", "").rpartition("/")[2])
                    for one in about.get("anyOf", [about])
                ]
                kind = " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
                fields.append((field, kind, field in schema.get("required", ()), about.get("description", "")))
            operations.append((method.upper(), path, operation.get("description", ""), fields))
    return filled(
        "api.page",
        title=openapi["info"]["title"],
        description=openapi["info"]["description"],
        example=example,
        style=Markup(_STYLE),
        operations=operations,
    )

"""What the server says of itself: the schema of its requests, its strategies, and a page that needs no other host."""

from __future__ import annotations

from html import escape
from typing import Any

from pydantic import BaseModel

from ponder.search.registry import STRATEGIES

_CHAT_ONLY = ("auto", "sample", "vote", "best_of_n", "weighted_vote")  # what draws whole answers


def of_body(form: type[BaseModel], summary: str) -> dict[str, Any]:
    """The description of an endpoint whose body is a `form`."""
    schema = _inlined(form.model_json_schema())
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"summary": summary, "openapi_extra": {"requestBody": body}}


def strategies(judged: bool, by_tokens: bool) -> list[str]:
    """The strategies that this server can run."""
    named = STRATEGIES if by_tokens else _CHAT_ONLY
    return [name for name in named if judged or not STRATEGIES[name].needs_judge]


def page(schema: dict[str, Any]) -> str:
    """The addresses with the fields of their requests, as plain HTML."""
    parts = []
    for path, methods in schema["paths"].items():
        for method, what in methods.items():
            parts.append(
                f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(what.get('summary', ''))}</p>"
            )
            content = what.get("requestBody", {}).get("content", {}).get("application/json", {})
            if fields := content.get("schema", {}).get("properties"):
                required = content["schema"].get("required", [])
                rows = "".join(
                    f"<tr><th scope='row'><code>{escape(name)}</code></th><td>{escape(_kind(field))}</td>"
                    f"<td>{'required' if name in required else ''}</td></tr>"
                    for name, field in fields.items()
                )
                parts.append(
                    "<div class='scroll'><table><thead><tr><th scope='col'>field</th><th scope='col'>type</th>"
                    f"<th scope='col'></th></tr></thead><tbody>{rows}</tbody></table></div>"
                )
    return (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>Ponder: the API</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<link rel='icon' href='data:,'><link rel='stylesheet' href='/page/page.css'></head>"
        f"<body><main class='docs'><h1>The API</h1><p>The schema is at <a href='/openapi.json'>/openapi.json</a>, the "
        f"page to try it at <a href='/'>/</a>.</p>{''.join(parts)}</main></body></html>"
    )


def _kind(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(each) for each in field["anyOf"]))
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    if "const" in field:
        return str(field["const"])
    return str(
        field.get("title") if field.get("type") == "object" and field.get("properties") else field.get("type", "any")
    )


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without references: each definition stands where it is used."""
    definitions = schema.pop("$defs", {})

    def at(value: Any) -> Any:
        if isinstance(value, dict):
            if isinstance(ref := value.get("$ref"), str):
                return at(definitions[ref.rpartition("/")[2]])
            return {key: at(inner) for key, inner in value.items()}
        return [at(inner) for inner in value] if isinstance(value, list) else value

    found: dict[str, Any] = at(schema)
    return found

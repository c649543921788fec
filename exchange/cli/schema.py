"""The verb ``schema``: what a type may say, and what differs between two versions of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange import render, resources
from exchange.cli import output, world
from exchange.cli.main import Session, group, verb
from exchange.errors import Code, Refusal
from exchange.model.bulletin import TYPES, misfits, shape
from exchange.model.bulletin.evolution import Difference, differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.model.bulletin.shape import Member, Shape

_MAX_BYTES = 8 * 1024 * 1024
_HEADS = {
    "en": {"field": "field", "label": "meaning", "kind": "kind"},
    "es": {"field": "campo", "label": "significado", "kind": "clase"},
}
_KINDS = {
    "en": {
        "member-added": "member added",
        "member-removed": "member removed",
        "member-required": "member now required",
        "member-optional": "member no longer required",
        "code-added": "code added",
        "code-removed": "code removed",
        "bound-wider": "bound wider",
        "bound-narrower": "bound narrower",
        "form-changed": "form changed",
    },
    "es": {
        "member-added": "campo añadido",
        "member-removed": "campo quitado",
        "member-required": "campo ahora obligatorio",
        "member-optional": "campo ya no obligatorio",
        "code-added": "código añadido",
        "code-removed": "código quitado",
        "bound-wider": "límite más amplio",
        "bound-narrower": "límite más estrecho",
        "form-changed": "forma cambiada",
    },
}


@group
def schema() -> None:
    """Show what a type of bulletin may say; compare two versions of it."""


@schema.command("show")
@click.argument("type_", metavar="TYPE", type=click.Choice(sorted(TYPES), case_sensitive=False))
@verb
def show(session: Session, type_: str) -> None:
    """List the fields of TYPE in words; with --json, print its JSON Schema."""
    if session.as_json:
        output.show_json(_document(type_))
        return
    rows = list(_rows(shape.of(type_), "", session))
    output.table(rows, _HEADS[session.lang])
    session.say(
        "Los marcados con * son obligatorios. El esquema entero: --json.",
        "Those marked * are required. The whole schema: --json.",
    )


def _document(type_: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources.read(f"v1/{type_}.schema.json"))
    return found


def _rows(form: Shape, at: str, session: Session) -> Iterator[dict[str, str]]:
    for member in form.members:
        name = f"{at}{member.name}"
        label = world.codes().words("fields", member.name, session.lang)
        yield {
            "field": f"{name}{'*' if member.required else ''}",
            "label": label,
            "kind": _kind(member, session),
        }
        inner = member.shape.items[0] if member.shape.kind == "list" else member.shape
        # A text's own members are the same everywhere.
        if inner.kind == "struct" and not inner.member("text"):
            many = "[]" if member.shape.kind == "list" else ""
            yield from _rows(inner, f"{name}{many}.", session)


def _kind(member: Member, session: Session) -> str:
    form = member.shape
    inner = form.items[0] if form.kind == "list" else form
    # A text is written as one; its translations are for whoever makes one.
    is_text = inner.kind == "struct" and inner.member("text") is not None
    facts = {"expected": "prose"} if is_text else misfits.expected(inner)
    words = render.expected(facts, session.lang, world.codes())
    many = {"en": "list, each ", "es": "lista, cada uno "}[session.lang]
    return f"{many}{words}" if form.kind == "list" else words


@schema.command("diff")
@click.argument("before", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument(
    "after", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@verb
def diff(session: Session, before: Path, after: Path | None) -> None:
    """Tell what differs from the JSON Schema BEFORE to AFTER, or to this version's own.

    Ends with 1 where a minor version may not differ so: a partner that has not upgraded would
    misread it.
    """
    old = _read(before)
    new = _read(after) if after is not None else _ours(old)
    try:
        found = differences(old, new)
    except ValueError:
        raise Refusal(Code.WRONG_VALUE, "", expected="schema-document") from None
    is_allowed = all(each.is_allowed for each in found)
    if session.as_json:
        output.show_json({"is_allowed": is_allowed, "differences": [_told(e) for e in found]})
    for each in () if session.as_json else found:
        mark = "  " if each.is_allowed else "!!"
        values = [each.before, each.after]
        shown = " > ".join("-" if one is None else json.dumps(one) for one in values)
        told = "" if values == [None, None] else f"  {shown}"
        click.echo(f"{mark} {each.at or '/'}  {_KINDS[session.lang][each.kind]}{told}")
    if not found:
        session.say("No difieren.", "They do not differ.")
    elif is_allowed:
        session.say(
            "Una versión menor puede diferir así.", "A minor version may differ like this."
        )
    if not is_allowed:
        session.say(
            "!! rompe a quien no se ha actualizado: eso pide una versión mayor.",
            "!! breaks partners that have not upgraded: that takes a major version.",
        )
        raise SystemExit(output.EXIT_REFUSED)


def _told(each: Difference) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "at": each.at,
        "before": each.before,
        "after": each.after,
        "is_allowed": each.is_allowed,
    }


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as opened:
        data = opened.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise Refusal(Code.OVERSIZED, limit=_MAX_BYTES)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise Refusal(Code.MALFORMED, name=str(path)) from None
    if not isinstance(found, dict) or not str(found.get("$id", "")).startswith("urn:exchange:"):
        raise Refusal(Code.WRONG_VALUE, "/$id", expected="schema-document")
    return found


def _ours(old: dict[str, Any]) -> dict[str, Any]:
    type_ = str(old["$id"]).rsplit(":", 1)[-1]
    if type_ not in TYPES:
        raise Refusal(Code.NOT_FOUND, "/$id", name=type_)
    return _document(type_)

"""The verb ``dcf``: compare subjects with another agency without saying which they are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from exchange.cli import output, world
from exchange.cli.main import Session, group, verb
from exchange.cli.reading import find
from exchange.cli.usage import unreadable
from exchange.errors import Code, Refusal
from exchange.model import draft as drafts
from exchange.model.bulletin import Dcf
from exchange.model.codec import b64
from exchange.seal import tokens

if TYPE_CHECKING:
    from exchange.client.reading import Delivered
    from exchange.seal.tokens import Kind

_MAX_BYTES = 1024 * 1024
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_NEW = click.Path(path_type=Path, dir_okay=False)
_SUBJECTS = click.argument("subjects", type=_FILE)


@group
def dcf() -> None:
    """Compare subjects with another agency without saying which they are.

    SUBJECTS is a text file with one of them a line, kind first: `imo 9074729`. Kinds: imo mmsi
    vessel person document vin chassis plate phone imei account address operation. A document
    goes by its number without check digit. The file stays here.
    """


@dcf.command("open")
@click.argument("draft", type=_FILE)
@click.argument("out", type=_NEW)
@verb
def open_(session: Session, draft: Path, out: Path) -> None:
    """Write DRAFT to OUT as the opening of a window, with a fresh key; keep OUT."""
    output.must_be_new(out)
    read = _draft(draft)
    content = _content(read)
    for name in ("target", "tokens", "key_check", "deconfliction_answer"):
        content.pop(name, None)
    key = b64(world.randomness(tokens.KEY_BYTES))
    content |= {"deconfliction_step": "open", "window_key": key}
    _write(session, out, drafts.Draft(read.post, {**read.bulletin, "content": content}))


@dcf.command("tokens")
@click.argument("window", metavar="ID|ENTRY")
@_SUBJECTS
@click.argument("out", type=_NEW)
@verb
def tokens_(session: Session, window: str, subjects: Path, out: Path) -> None:
    """Write a draft to OUT that names SUBJECTS by tokens, for the window ID of the inbox."""
    output.must_be_new(out)
    item, content = asyncio.run(_of_inbox(session, window))
    if content.window_key is None:
        raise Refusal(Code.WRONG_VALUE, "", expected="deconfliction-open")
    found = tokens.tokens(content.window_key, _subjects(subjects))
    check = tokens.key_check(content.window_key)
    said = {"deconfliction_step": "subjects", "tokens": list(found), "key_check": check}
    _write(session, out, _following(item, said, session))


@dcf.command("match")
@click.argument("named", metavar="ID|ENTRY")
@_SUBJECTS
@click.option("--window", type=_FILE, help="The draft that opened the window, if it is ours.")
@click.option("--answer", type=_NEW, help="Write a draft of the answer here.")
@verb
def match(
    session: Session, named: str, subjects: Path, window: Path | None, answer: Path | None
) -> None:
    """Tell which of SUBJECTS are among the tokens of the bulletin ID of the inbox."""
    if answer is not None:
        output.must_be_new(answer)
    item, content = asyncio.run(_of_inbox(session, named))
    if content.deconfliction_step != "subjects":
        raise Refusal(Code.WRONG_VALUE, "", expected="deconfliction-subjects")
    key = _key(session, content, window)
    if tokens.key_check(key) != content.key_check:
        # Nothing would match under another window's key, and that is not "clear".
        raise Refusal(Code.WRONG_VALUE, "/content/key_check", expected="window-of-subjects")
    ours = tokens.tokens(key, _subjects(subjects))
    both = [subject for token, subject in ours.items() if token in set(content.tokens)]
    if answer is not None:
        said = {
            "deconfliction_step": "answer",
            "deconfliction_answer": "conflict" if both else "clear",
        }
        _keep(answer, _following(item, said, session))
    if session.as_json:
        rows = [{"kind": kind, "value": value} for kind, value in both]
        file = None if answer is None else str(answer)
        output.show_json({"matches": rows, "tokens": len(content.tokens), "file": file})
    for kind, value in () if session.as_json else both:
        click.echo(f"{kind} {value}")
    session.say(
        f"{len(both)} de {len(ours)} objetivos nuestros están entre los {len(content.tokens)}.",
        f"{len(both)} of our {len(ours)} subjects are among the {len(content.tokens)}.",
    )
    if answer is not None:
        _tell_written(session, answer)


def _key(session: Session, content: Any, window: Path | None) -> str:
    if window is not None:
        key = _content(_draft(window)).get("window_key")
    else:
        if content.target is None:
            raise Refusal(Code.WRONG_VALUE, "", expected="deconfliction-subjects")
        _, opened = asyncio.run(_of_inbox(session, content.target.id))
        key = opened.window_key
    if not isinstance(key, str):
        raise Refusal(Code.WRONG_VALUE, "", expected="deconfliction-open")
    return key


async def _of_inbox(session: Session, identity: str) -> tuple[Delivered, Any]:
    async with session.context().agency() as agency:
        item, _ = await find(agency, identity)
    if item.bulletin is None:
        raise item.locked or Refusal(Code.CANNOT_DECRYPT, id=identity)
    if not isinstance(item.bulletin, Dcf):
        raise Refusal(Code.WRONG_VALUE, "", expected="deconfliction-subjects")
    return item, item.bulletin.content


def _following(item: Delivered, said: dict[str, Any], session: Session) -> drafts.Draft:
    """Return a draft that follows a bulletin: its window, cells, contact to be put right.

    It goes to the same participants.
    """
    before = msgspec.to_builtins(item.bulletin)
    content = {name: before["content"][name] for name in ("window", "cells", "contact")}
    header = item.header
    content["target"] = {
        "id": header.id,
        "origin": header.origin,
        "type": header.type,
        "header_digest": item.digest,
    }
    post = drafts.Post(
        feed=header.feed,
        precedence=header.precedence,
        status=header.status,
        marking=header.marking,
        expires="72h",
        retain="365d",
        to=sorted({*header.to, header.endpoint} - {session.context().profile().endpoint}),
    )
    return drafts.Draft(
        post, {"type": "dcf", "title": before["title"], "content": {**content, **said}}
    )


def _write(session: Session, out: Path, draft: drafts.Draft) -> None:
    _keep(out, draft)
    if session.as_json:
        output.show_json({"file": str(out)})
    _tell_written(session, out)


def _keep(out: Path, draft: drafts.Draft) -> None:
    made = {"post": msgspec.to_builtins(draft.post), "bulletin": draft.bulletin}
    output.write_new(out, json.dumps(made, ensure_ascii=False, indent=1).encode() + b"\n")


def _tell_written(session: Session, out: Path) -> None:
    session.say(
        f"Escrito en {out}: revise título y contacto, y envíelo con: exchange post {out}",
        f"Written to {out}: look at title and contact, then: exchange post {out}",
    )


def _content(draft: drafts.Draft) -> dict[str, Any]:
    content = draft.bulletin.get("content", {})
    if not isinstance(content, dict):
        raise Refusal(Code.WRONG_TYPE, "/bulletin/content", expected="object")
    return dict(content)


def _draft(path: Path) -> drafts.Draft:
    data = _bytes(path)
    return drafts.read_draft(data, toml=data.lstrip()[:1] != b"{")


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error, "FILE") from error


def _subjects(path: Path) -> list[tuple[Kind, str]]:
    data = _bytes(path)
    if len(data) > _MAX_BYTES:
        raise Refusal(Code.OVERSIZED, limit=_MAX_BYTES)
    try:
        rows = data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise Refusal(Code.NOT_UTF8, position=error.start) from None
    found: list[tuple[Kind, str]] = []
    for number, row in enumerate(rows, 1):
        if not row.strip() or row.startswith("#"):
            continue
        kind, _, value = row.strip().partition(" ")
        if kind not in tokens.KINDS or not value.strip():
            raise Refusal(Code.WRONG_VALUE, "", expected="subject", line=number)
        found.append((kind, value))
    if not found:
        raise Refusal(Code.WRONG_VALUE, "", expected="some-subject")
    return found

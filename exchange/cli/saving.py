"""What ``read --save`` does with attachments: saves them, and shows none but plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from exchange import render
from exchange.cli import world
from exchange.cli.progress import teller
from exchange.model.bulletin import shape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exchange.cli.main import Session
    from exchange.client.agency import Agency
    from exchange.client.attaching import File
    from exchange.client.reading import Delivered
    from exchange.model.bulletin import AnyBulletin

# A screen is no place for more.
_MOST_SHOWN_BYTES = 64 * 1024


async def save_all(
    session: Session, agency: Agency, item: Delivered, folder: Path | None
) -> list[Path]:
    """Save every attachment of a bulletin into a folder, if there is one; where they are."""
    if folder is None or item.bulletin is None:
        return []
    tell = teller(session, "Adjunto", "Attachment")
    return [
        await agency.save(item, place, folder, tell)
        for place in range(len(item.bulletin.attachments))
    ]


def without_keys(bulletin: AnyBulletin) -> dict[str, Any]:
    """Return a bulletin as plain values, without what opens anything."""
    plain: dict[str, Any] = msgspec.to_builtins(bulletin)
    _take_keys_out(shape.of_struct(type(bulletin)), plain)
    return plain


def _take_keys_out(form: shape.Shape, value: Any) -> None:
    if isinstance(value, list) and form.kind == "list":
        for each in value:
            _take_keys_out(form.items[0], each)
    elif isinstance(value, dict):
        for member in form.members:
            if member.shape.form == "secret":
                value.pop(member.name, None)
            else:
                _take_keys_out(member.shape, value.get(member.name))


def show(
    session: Session, bulletin: AnyBulletin, saved: Sequence[Path], *, show_text: bool
) -> None:
    """Say where the attachments are, and show those that are plain text if asked to."""
    if bulletin.attachments and not saved:
        session.say(
            "Hay adjuntos: se guardan con --save CARPETA.",
            "There are attachments: save them with --save DIR.",
        )
    for told, path in zip(bulletin.attachments, saved, strict=False):
        where = render.visible(str(path))
        session.say(f"Guardado: {where}", f"Saved: {where}")
        if show_text:
            text = _text(path) if told.media_type == "text/plain" else None
            if text is None:
                session.say(
                    "  No se muestra: no es texto sin formato, o es muy largo.",
                    "  Not shown: it is no plain text, or very long.",
                )
                continue
            for line in render.lines(text):
                click.echo(f"  | {line}")


def _text(path: Path) -> str | None:
    """Return a short text in UTF-8, or None: it is called text, and may be anything."""
    if path.stat().st_size > _MOST_SHOWN_BYTES:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def show_files(session: Session, files: Sequence[File]) -> None:
    """List the files that are about to be attached."""
    for file in files:
        kind = world.codes().words("media-types", file.media_type, session.lang)
        name = render.visible(file.name)
        session.say(
            f"Adjunto: {name} ({kind}, {file.size} bytes)",
            f"Attachment: {name} ({kind}, {file.size} bytes)",
        )

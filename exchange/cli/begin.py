"""The verb ``found``: an exercise in an empty folder, for a node without an arrangement."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import click

from exchange.cli import output, world
from exchange.cli.main import Session, verb


@click.command("found")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--url", required=True, help="Where the node will answer: https://HOST:PORT.")
@verb
def found(session: Session, folder: Path, url: str) -> None:
    """Found an EXERCISE in FOLDER: a node's folder, and one context for each endpoint.

    All keys are made in one place, under one passphrase: right for an exercise, and for nothing
    else. Agencies of a real arrangement make their own keys, and its custodians sign.
    """
    from exchange.cli import exercise  # noqa: PLC0415
    from exchange.cli import found as founding  # noqa: PLC0415

    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/"):
        raise click.BadParameter(url, param_hint="--url")
    for name in ("node", "home"):
        if (folder / name).exists():
            # What is there may be somebody's only copy of a journal and of keys.
            raise click.BadParameter(str(folder / name), param_hint="FOLDER")
    secret = world.passphrase(str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    place = founding.write_at(
        folder, f"https://{parts.netloc}", exercise.MEMBERS, exercise.feeds(), secret
    )
    anchor = place.founded.anchor
    if session.as_json:
        shown = {"node": str(place.node), "home": str(place.home), "anchor": anchor}
        output.show_json({**shown, "endpoints": sorted(place.founded.endpoints)})
    session.say(
        f"EJERCICIO fundado en {folder}. Ancla: {anchor}\n"
        f"Nodo: exchange up --state {place.node} --listen HOST:PUERTO\n"
        f"Agencias: EXCHANGE_HOME={place.home} exchange context",
        f"EXERCISE founded in {folder}. Anchor: {anchor}\n"
        f"Node: exchange up --state {place.node} --listen HOST:PORT\n"
        f"Agencies: EXCHANGE_HOME={place.home} exchange context",
    )

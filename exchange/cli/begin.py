"""The verb ``found``: an exercise in an empty folder, for a node without an arrangement."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from exchange.cli import fingerprint, output, world
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable
from exchange.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.cli.found import Site
    from exchange.model.trust import Witnesses

# What ``found`` writes into the folder.
_PARTS = ("node", "node-us", "custodians", "home")


@click.command("found")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--url", required=True, help="Where the node will answer: https://HOST:PORT.")
@click.option(
    "--witnesses",
    "policy",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Who must cosign the journal: witnesses and quorum, as C2SP tlog-policy has it.",
)
@click.option("--us-url", help="A node of its own for the United States: https://HOST:PORT.")
@click.option("--link", help="Where the first node answers the other: HOST:PORT.")
@click.option("--us-link", help="Where the second node answers the first: HOST:PORT.")
@verb
def found(session: Session, folder: Path, url: str, policy: Path | None, **two: str) -> None:
    """Found an EXERCISE in FOLDER: a node's folder, and one context for each endpoint.

    All keys are made in one place, under one passphrase: right for an exercise, and for nothing
    else. Agencies of a real arrangement make their own keys, and its custodians sign.
    """
    from exchange.cli import exercise  # noqa: PLC0415
    from exchange.cli import found as founding  # noqa: PLC0415

    sites = _sites(address(url), **two)
    _want_empty(folder)
    witnesses = None if policy is None else _agreed(policy)
    secret = world.passphrase(str(folder), is_new=True)
    with _whole_or_nothing(folder):
        place = founding.write_sites(
            folder, sites, exercise.MEMBERS, exercise.feeds(), secret, witnesses
        )
    anchor = place.founded.anchor
    nodes = [str(founding.node_folder(folder, site, sites)) for site in sites]
    if session.as_json:
        shown = {"node": nodes[0], "nodes": nodes, "home": str(place.home), "anchor": anchor}
        more = {"words": fingerprint.spoken(anchor)}
        output.show_json({**shown, **more, "endpoints": sorted(place.founded.endpoints)})
    this, first = world.called(), founding.context_of(min(place.founded.endpoints))
    up = {
        lang: "\n".join(f"{word}: {this} up --state {at} --listen HOST:{port}" for at in nodes)
        for lang, word, port in (("es", "Nodo", "PUERTO"), ("en", "Node", "PORT"))
    }
    session.say(
        f"EJERCICIO fundado en {folder}. Ancla: {anchor}\n{up['es']}\n"
        f"Agencias: export EXCHANGE_HOME={place.home}; {this} context (lista), "
        f"{this} context {first} (elige)",
        f"EXERCISE founded in {folder}. Anchor: {anchor}\n{up['en']}\n"
        f"Agencies: export EXCHANGE_HOME={place.home}; {this} context (lists), "
        f"{this} context {first} (chooses)",
    )
    fingerprint.show(session, "El ancla en palabras:", "The anchor in words:", anchor)


def _sites(url: str, us_url: str | None, link: str | None, us_link: str | None) -> list[Site]:
    """Return one node for both nations, or one for each, which answer each other."""
    from exchange.cli.found import NODE, Site  # noqa: PLC0415
    from exchange.cli.node import address_of  # noqa: PLC0415

    if not us_url and not link and not us_link:
        return [Site(NODE, url)]
    if not us_url or not link or not us_link:
        raise Unusable(
            "--us-url, --link y --us-link van juntas: dos nodos que se responden.",
            "--us-url, --link and --us-link go together: two nodes that answer each other.",
            "--us-url",
        )
    for name, each in (("--link", link), ("--us-link", us_link)):
        address_of(each, name)
    return [Site(NODE, url, link, ("pa",)), Site("us", address(us_url), us_link, ("us",))]


def _agreed(policy: Path) -> Witnesses:
    """Return what the arrangement will say of witnesses: these, and the usual limits."""
    from exchange.journal import quorum  # noqa: PLC0415
    from exchange.model.trust import ACCEPT_ALL, DEFAULT_UNWITNESSED_S, Witnesses  # noqa: PLC0415

    try:
        text = policy.read_text(encoding="utf-8")
        is_one = quorum.parse(text).quorum != quorum.NONE
    except (UnicodeDecodeError, Refusal):
        is_one = False
    if not is_one:
        raise Unusable(
            f"{policy} no es una política de testigos con su quórum (C2SP tlog-policy).",
            f"{policy} is no policy of witnesses with its quorum (C2SP tlog-policy).",
            "--witnesses",
        )
    # What says nothing is not signed: comments, blank lines, tabs.
    plain = [" ".join(line.split()) for line in text.split("\n")]
    lines = [line for line in plain if line and not line.startswith("#")]
    return Witnesses(lines, DEFAULT_UNWITNESSED_S, ACCEPT_ALL)


def address(url: str) -> str:
    """Return the address without a closing slash."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or url.removesuffix("/") != f"https://{parts.netloc}" or "@" in url:
        raise Unusable(
            f"{url} no es una dirección de la forma https://HOST:PUERTO.",
            f"{url} is no address of the form https://HOST:PORT.",
            "--url",
        )
    return f"https://{parts.netloc}"


def _want_empty(folder: Path) -> None:
    """Refuse a folder that has an exercise in it, or the beginning of one."""
    for name in _PARTS:
        place = folder / name
        # An empty folder may be where a volume is mounted.
        if place.exists() and not (place.is_dir() and not any(place.iterdir())):
            # What is there may be somebody's only copy of a journal and of keys.
            raise Unusable(
                f"{folder} no está vacía: tiene {name}, y nada se sobrescribe.",
                f"{folder} is not empty: it has {name}, and nothing is overwritten.",
                "FOLDER",
            )


@contextmanager
def _whole_or_nothing(folder: Path) -> Iterator[None]:
    """Take away again what was written, unless all of it was, so that one can try again."""
    from exchange.client.files import make_private  # noqa: PLC0415

    is_new = not folder.exists()
    try:
        make_private(folder)
        yield
    except BaseException:
        for name in _PARTS:
            shutil.rmtree(folder / name, ignore_errors=True)
        if is_new and folder.exists():
            folder.rmdir()
        raise

"""``arrangement install``, ``join`` and ``fetch``: from trust documents to a place in them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from exchange.cli import options, output, state, world
from exchange.cli.arranging import folder
from exchange.cli.arranging.proposing import TRUST
from exchange.cli.found import context_of
from exchange.cli.home import PROFILE, sealed_surely
from exchange.cli.main import Session, verb
from exchange.cli.usage import in_the_way
from exchange.client.transport import Profile
from exchange.custody import cards, container, ring
from exchange.custody.cards import NodeCard
from exchange.errors import Code, Fault, Refusal
from exchange.model import metadata, wire

if TYPE_CHECKING:
    from exchange.cli.home import Context
    from exchange.client.agency import Agency
    from exchange.model.trust import Node
    from exchange.model.view import View

_THERE = click.Path(path_type=Path, dir_okay=False, exists=True)
_ANCHOR = options.anchor(required=True)


@click.command()
@click.argument("folder_of_node", metavar="STATE", type=click.Path(path_type=Path))
@TRUST
@_ANCHOR
@verb
def install(session: Session, folder_of_node: Path, kept: Path, anchor: str) -> None:
    """Give the node's folder STATE the trust documents that it starts from.

    They must list the very keys and certificate that `arrangement init node` made there.
    """
    here = state.State(folder_of_node)
    now = world.now()
    known = folder.read(kept, anchor, now)
    settings = folder_of_node / state.SETTINGS
    if settings.exists():
        in_the_way(settings, "STATE")
    node = _listed(here, known.view)
    folder.write(folder_of_node / state.TRUST, 0, known.bundles)
    told = state.Settings(node.node, anchor)
    output.write_new(settings, msgspec.json.encode(told) + b"\n")
    if session.as_json:
        output.show_json({"node": node.node, "documents": len(known.bundles)})
    this = world.called()
    session.say(
        f"{node.node}: listo. {this} up --state {folder_of_node} --listen HOST:PUERTO",
        f"{node.node}: ready. {this} up --state {folder_of_node} --listen HOST:PORT",
    )


def _listed(here: state.State, view: View) -> Node:
    """Return the node as the documents list it, held to the keys that are here."""
    secrets = here.secrets()
    node = view.nodes.get(secrets.holder)
    if node is None:
        raise Refusal(Code.TRUST_INVALID, "", name=f"nodes/{secrets.holder}")
    mine = [[ring.public(key).kid for key in secrets.of(kind)] for kind in (ring.SIGN, "log")]
    theirs = [[key.kid for key in keys] for keys in (node.receipts.keys, node.log)]
    if mine != theirs:
        raise Fault(Code.KEY_FILE, name=secrets.holder, expected=node.receipts.keys[0].kid)
    certificate = here.certificate(secrets.of("tls")[0].seed)
    if cards.certificate_digest(certificate) != node.tls:
        raise Refusal(Code.DIGEST_MISMATCH, "/node/tls")
    return node


@click.command()
@click.argument("keys", type=_THERE)
@TRUST
@_ANCHOR
@click.option("--node", "card", required=True, type=_THERE, help="Card of the home node.")
@click.option("--name", help="Name of the context; the endpoint's own unless told.")
@verb
def join(  # noqa: PLR0913  (the options of the verb)
    session: Session, keys: Path, *, kept: Path, anchor: str, card: Path, name: str | None
) -> None:
    """Make a context of the container KEYS, once the trust documents list its endpoint."""
    known = folder.read(kept, anchor, world.now())
    passphrase = world.passphrase(keys.stem)
    secrets = container.unseal(keys.read_bytes(), passphrase)
    standing = known.view.standing(secrets.holder)
    for key in secrets.of(ring.SIGN):
        standing.known_key(ring.public(key).kid, "/keys")
    node = _node_of(card, known.view)
    name = name or context_of(secrets.holder)
    where = session.home.place(name)
    if (where / PROFILE).exists():
        in_the_way(where, "--name")
    profile = Profile(secrets.holder, node.node.node, node.node.url, node.certificate, anchor)
    sealed = sealed_surely(ring.with_storage(secrets, world.randomness), passphrase)
    session.home.add(name, profile, sealed)
    if session.as_json:
        output.show_json({"endpoint": secrets.holder, "context": name})
    session.say(
        f"{secrets.holder}: listo, en el contexto {name}.",
        f"{secrets.holder}: ready, in the context {name}.",
    )


def _node_of(path: Path, view: View) -> NodeCard:
    """Return a node's card, held to what the documents say of it now."""
    card = cards.read(path.read_bytes().strip())
    if not isinstance(card, NodeCard):
        raise Refusal(Code.WRONG_VALUE, "/kind", name=path.name)
    listed = view.nodes.get(card.node.node)
    if listed is None or listed.tls != card.node.tls or listed.url != card.node.url:
        raise Refusal(Code.TRUST_INVALID, "/node", name=card.node.node)
    return card


@click.command()
@click.argument("card", type=_THERE)
@TRUST
@verb
def pin(session: Session, card: Path, kept: Path) -> None:
    """Pin the address and certificate of this endpoint's node as its CARD shows them.

    For when the node has others than when this context was made. The trust documents must
    list them, verified from the anchor that this context has, and be no older than those
    that it got from its node before.
    """
    here = session.context()
    before = here.profile()
    known = folder.read(kept, before.anchor, world.now())
    node = _node_of(card, known.view)
    if node.node.node != before.node:
        raise Refusal(Code.WRONG_VALUE, "/node", name=node.node.node, expected=before.node)
    _must_not_be_older(known.view, here, before.node)
    here.move(node.node.url, node.certificate)
    if session.as_json:
        output.show_json({"node": before.node, "url": node.node.url, "tls": node.node.tls})
    session.say(
        f"{before.node}: fijados su dirección y su certificado de ahora.",
        f"{before.node}: its address and certificate of now are pinned.",
    )


def _must_not_be_older(view: View, here: Context, node: str) -> None:
    """Hold a folder to what this context verified of its node: old keys may be another's now.

    Raises:
        Refusal: ``stale-version``: the node's document in the folder is one that is over.
    """
    agency, name = here.agency(), f"nodes/{node}"
    try:
        agency.trust.recall()
        held = agency.trust.newest.version_of(name)
    finally:
        agency.world.cabinet.close()
    if (found := view.version_of(name)) < held:
        raise Refusal(Code.STALE_VERSION, "/trust", name=name, expected=held, found=found)


@click.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A new folder for the trust documents.",
)
@verb
def fetch(session: Session, out: Path) -> None:
    """Bring the trust documents in force from the node, verified, for the custodians.

    What nodes and endpoints sign themselves is left out: custodians agree on the rest.
    """
    if out.exists():
        in_the_way(out, "--out")
    bundles = asyncio.run(_fetched(session))
    # Before anything is written: what lies there is carried to those who sign.
    known = folder.fold(bundles, session.context().profile().anchor, world.now())
    folder.write(out, 0, bundles)
    if session.as_json:
        told = {"folder": str(out), "anchor": known.anchor}
        output.show_json({**told, "documents": len(bundles)})
    session.say(
        f"{len(bundles)} documentos de confianza en {out}.",
        f"{len(bundles)} trust documents in {out}.",
    )


async def _fetched(session: Session) -> list[bytes]:
    async with session.context().agency() as agency:
        return await fetched(agency)


async def fetched(agency: Agency) -> list[bytes]:
    """Return what custodians signed of the node's trust documents, each verified."""
    await agency.view()
    found: list[bytes] = []
    after, seen = -1, 0
    while True:
        page = await agency.transport.get_as(wire.TrustPage, "/v1/trust", after=after)
        for item in page.items:
            raw, after, seen = item.document.encode(), item.index, seen + 1
            if raw.startswith(metadata.BEGINS) and not item.name.startswith("timestamps/"):
                found.append(raw)
        if seen >= page.total or not page.items:
            return found

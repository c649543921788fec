"""``arrangement init``: a custodian's keys, a node's keys, and the cards that show them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from exchange.cli import fingerprint, output, state, world
from exchange.cli.begin import address
from exchange.cli.home import write_private
from exchange.cli.main import Session, group, verb
from exchange.cli.usage import Unusable, in_the_way
from exchange.custody import cards, container, ring, signers
from exchange.custody.cards import CustodianCard, NodeCard
from exchange.custody.container import Secrets
from exchange.model.identity import ALPHA3, Signatory, digest
from exchange.model.trust import Node
from exchange.seal.software import SEED_BYTES, SecretKey, load, new_signing
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from exchange.custody.cards import Card
    from exchange.model.identity import Nation, SuiteId
    from exchange.seal.jws import Signer

_NAME = re.compile(r"(pa|us)(-[a-z0-9][a-z0-9.+-]{0,40})?")
_BOTH: tuple[Nation, ...] = ("pa", "us")
_NEW = click.Path(path_type=Path, dir_okay=False)
_SUITE = click.option(
    "--suite",
    type=click.Choice(list(SUITES)),
    default=next(iter(SUITES)),
    show_default=True,
    help="The algorithms to sign by.",
)
CARD = click.option(
    "--card",
    required=True,
    type=_NEW,
    help="Where to write the card: the public halves, to hand to who writes the proposal.",
)


@group
def init() -> None:
    """Make the keys of a custodian or of a node, each on its own machine."""


@init.command()
@click.argument("name")
@click.option(
    "--keys", "kept", required=True, type=_NEW, help="Where to write the key container."
)
@CARD
@_SUITE
@verb
def custodian(session: Session, name: str, kept: Path, card: Path, suite: SuiteId) -> None:
    """Make keys for the custodian NAME (pa-... or us-...), sealed under a passphrase."""
    nation = _nation(name)
    if name == nation:
        _bad_name(name)
    _must_be_free(kept, card)
    keys = new_signing(suite, world.randomness)
    passphrase = world.passphrase(name, is_new=True)
    secrets = Secrets(name, {ring.SIGN: keys})
    signer = signers.software(keys)
    shown = CustodianCard("xb1", world.now(), nation, Signatory(name, list(signer.keys)))
    write_private(kept, container.seal(secrets, passphrase, world.randomness))
    write_card(session, card, shown, signer, {"keys": str(kept)})


@init.command()
@click.argument("name")
@click.option("--url", required=True, help="Where the node will answer: https://HOST:PORT.")
@click.option(
    "--state",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The node's folder, to be made.",
)
@CARD
@_SUITE
@click.option(
    "--serves",
    multiple=True,
    default=_BOTH,
    type=click.Choice(_BOTH),
    help="Whose endpoints post here: said once for each nation; both, unless told.",
)
@verb
def node(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    name: str,
    *,
    url: str,
    folder: Path,
    card: Path,
    suite: SuiteId,
    serves: tuple[Nation, ...],
) -> None:
    """Make keys and a certificate for the node NAME (pa, us, pa-... or us-...)."""
    nation, place = _nation(name), address(url)
    if folder.exists():
        in_the_way(folder, "--state")
    _must_be_free(card)
    now, seed = world.now(), world.randomness(32)
    certificate, tls = state.make_certificate(urlsplit(place).hostname or "", seed, now)
    signing = new_signing(suite, world.randomness)
    log = [SecretKey(alg, world.randomness(SEED_BYTES)) for alg in ("Ed25519", "ML-DSA-44")]
    keys = {ring.SIGN: signing, "log": log, "tls": [SecretKey("ES256", seed)]}
    passphrase = world.passphrase(name, is_new=True)
    signer = signers.software(signing)
    listed = Node(
        v="xb1",
        version=1,
        issued=now,
        node=name,
        nation=nation,
        serves=sorted(set(serves)),
        url=place,
        tls=tls,
        receipts=Signatory(f"{name}-receipts", list(signer.keys)),
        log=[load(each)[0] for each in log],
    )
    folder.mkdir(parents=True, mode=0o700)
    (folder / state.CERTIFICATE).write_text(certificate, encoding="ascii")
    sealed = container.seal(Secrets(name, keys), passphrase, world.randomness)
    write_private(folder / state.KEYS, sealed)
    shown = NodeCard("xb1", now, listed, certificate)
    write_card(session, card, shown, signer, {"state": str(folder)})


def _nation(name: str) -> Nation:
    if not _NAME.fullmatch(name):
        _bad_name(name)
    return "pa" if name.startswith("pa") else "us"


def _bad_name(name: str) -> None:
    names = ", ".join(f"{nation}-..." for nation in ALPHA3)
    raise Unusable(
        f"{name[:64]}: el nombre dice de qué nación es: {names}.",
        f"{name[:64]}: the name says whose it is: {names}.",
        "NAME",
    )


def _must_be_free(*paths: Path) -> None:
    for path in paths:
        output.must_be_new(path)


def write_card(  # noqa: PLR0913, PLR0917  (what is written, and what is told of it)
    session: Session,
    path: Path,
    card: Card,
    signer: Signer,
    more: dict[str, str],
    before: Signer | None = None,
) -> None:
    """Write a card, signed by the keys that it shows and by those before; say its digest."""
    raw = cards.sign(card, signer, before)
    # What nobody else can read is not handed on.
    cards.read(raw)
    output.write_new(path, raw + b"\n")
    named = digest(raw)
    if session.as_json:
        told = {"card": str(path), "digest": named, **more}
        output.show_json({**told, "words": fingerprint.spoken(named)})
    fingerprint.show(
        session,
        f"Tarjeta en {path}. Su huella, para cotejarla de viva voz al entregarla:",
        f"Card in {path}. Its fingerprint, to be compared by voice when it is handed over:",
        named,
    )

"""``arrangement init``: a custodian's keys, a node's keys, and the cards that show them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
import msgspec

from exchange.cli import fingerprint, output, state, world
from exchange.cli.arranging import folder as folders
from exchange.cli.arranging.proposing import TRUST
from exchange.cli.begin import address
from exchange.cli.home import sealed_surely, write_private
from exchange.cli.main import Session, group, verb
from exchange.cli.usage import Unusable, in_the_way
from exchange.custody import cards, container, ring, signers
from exchange.custody.cards import CustodianCard, NodeCard
from exchange.custody.container import Secrets
from exchange.errors import Code, Refusal
from exchange.model.identity import ALPHA3, Signatory, digest
from exchange.model.trust import Node
from exchange.seal.software import SEED_BYTES, SecretKey, load, new_signing
from exchange.seal.suites import SUITES
from exchange.seal.trust import suite_of_node

if TYPE_CHECKING:
    from exchange.custody.cards import Card
    from exchange.model.identity import Nation, SuiteId
    from exchange.seal.jws import Signer

_NAME = re.compile(r"(pa|us)(-[a-z0-9][a-z0-9.+-]{0,40})?")
_NEXT, _LOG_NEXT = ring.SIGN_NEXT, "log-next"
_NEW = click.Path(path_type=Path, dir_okay=False)
_SUITE = click.option(
    "--suite",
    type=click.Choice(list(SUITES)),
    default=next(iter(SUITES)),
    show_default=True,
    help="The algorithms to sign by.",
)
_CARD = click.option(
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
@_CARD
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
    _write_card(session, card, shown, signer, {"keys": str(kept)})


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
@_CARD
@_SUITE
@verb
def node(  # noqa: PLR0913, PLR0917  (the options of the verb)
    session: Session, name: str, url: str, folder: Path, card: Path, suite: SuiteId
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
        serves=["pa", "us"],
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
    _write_card(session, card, shown, signer, {"state": str(folder)})


@click.command("hand-over")
@click.argument("folder", metavar="STATE", type=click.Path(path_type=Path, exists=True))
@TRUST
@_CARD
@verb
def hand_over(session: Session, folder: Path, kept: Path, card: Path) -> None:
    """Make new keys for the node in STATE, and the card by which its old ones hand over.

    Start the node again, so that it knows them; then have the card proposed (`propose --node`)
    and what is signed handed in. From that entry on the new keys sign, and what the old ones
    signed before stays good. Said again, it shows the same keys; once they are listed, it takes
    them into use and drops the old ones.
    """
    here, now = state.State(folder), world.now()
    known = folders.read(kept, here.settings().anchor, now)
    passphrase = world.passphrase(folder.name)
    secrets = container.unseal((folder / state.KEYS).read_bytes(), passphrase)
    listed = known.view.nodes.get(secrets.holder)
    if listed is None:
        raise Refusal(Code.TRUST_INVALID, "", name=f"nodes/{secrets.holder}")
    after = _taken_up(secrets, listed)
    if after is not None:
        write_private(folder / state.KEYS, sealed_surely(after, passphrase))
        if session.as_json:
            output.show_json({"node": secrets.holder, "step": "in-use"})
        session.say(
            f"{secrets.holder}: las claves nuevas están en uso; las anteriores, destruidas.",
            f"{secrets.holder}: the new keys are in use; those before are destroyed.",
        )
        return
    output.must_be_new(card)
    secrets = _with_next(secrets, listed)
    write_private(folder / state.KEYS, sealed_surely(secrets, passphrase))
    old, new = signers.software(secrets.of(ring.SIGN)), signers.software(secrets.of(_NEXT))
    node = msgspec.structs.replace(
        listed,
        receipts=Signatory(listed.receipts.name, list(new.keys)),
        log=[load(each)[0] for each in secrets.of(_LOG_NEXT)],
    )
    shown = NodeCard("xb1", now, node, here.certificate())
    _write_card(session, card, shown, new, {"node": secrets.holder, "step": "asked"}, old)


def _taken_up(secrets: Secrets, listed: Node) -> Secrets | None:
    """Return the container with the keys in use that are listed by now; None: none are."""
    fresh = secrets.keys.get(_NEXT, [])
    if not fresh or [load(each)[0] for each in fresh] != list(listed.receipts.keys):
        return None
    keys = {**secrets.keys, ring.SIGN: fresh, "log": secrets.of(_LOG_NEXT)}
    kept = {name: found for name, found in keys.items() if name not in (_NEXT, _LOG_NEXT)}
    return msgspec.structs.replace(secrets, keys=kept)


def _with_next(secrets: Secrets, listed: Node) -> Secrets:
    """Return the container with keys to come, made once."""
    if _NEXT in secrets.keys:
        return secrets
    fresh = new_signing(suite_of_node(listed), world.randomness)
    log = [SecretKey(each.alg, world.randomness(SEED_BYTES)) for each in secrets.of("log")]
    keys = {**secrets.keys, _NEXT: fresh, _LOG_NEXT: log}
    return msgspec.structs.replace(secrets, keys=keys)


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


def _write_card(  # noqa: PLR0913, PLR0917  (what is written, and what is told of it)
    session: Session,
    path: Path,
    card: Card,
    signer: Signer,
    more: dict[str, str],
    before: Signer | None = None,
) -> None:
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

"""``arrangement hand-over``: new keys for a node, which the old ones hand over to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
import msgspec

from exchange.cli import output, state, world
from exchange.cli.arranging.starting import CARD, write_card
from exchange.cli.home import sealed_surely, write_private
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable
from exchange.custody import container, node_rings, signers
from exchange.custody.cards import NodeCard, certificate_digest
from exchange.custody.node_rings import IN_USE, TO_COME
from exchange.errors import Code, Refusal
from exchange.model.identity import Signatory
from exchange.model.view import View
from exchange.seal.software import SEED_BYTES, SecretKey, load, new_signing
from exchange.seal.trust import suite_of_node

if TYPE_CHECKING:
    from exchange.custody.container import Secrets
    from exchange.model.identity import Jwk
    from exchange.model.trust import Node

_NEXT, _LOG_NEXT, _TLS_NEXT = *TO_COME, "tls-next"
# As what each is used, once it is listed.
_IN_USE = {_NEXT: IN_USE.receipts, _LOG_NEXT: IN_USE.log, _TLS_NEXT: "tls"}


@click.command("hand-over")
@click.argument("folder", metavar="STATE", type=click.Path(path_type=Path, exists=True))
@CARD
@click.option(
    "--anew",
    is_flag=True,
    help="The folder may have been copied: other keys, and another certificate.",
)
@verb
def hand_over(session: Session, folder: Path, card: Path, *, anew: bool) -> None:
    """Make new keys for the node in STATE, and the card by which its old ones hand over.

    Start the node again, so that it knows them; then have the card proposed (`propose --node`)
    and what is signed handed in. From that entry on the new keys sign, and what the old ones
    signed before stays good. Said again, it shows the same keys; once the node's own journal
    lists them, it takes them into use and drops the old ones.

    After a theft, with --anew: no key that lies here now is used again, also none that was to
    come, and the node gets another certificate. Start it again once that is in use; each of
    its endpoints then pins it (`arrangement pin`). If what was signed of a card of before is
    handed in all the same, the node goes on by the keys of that one: then `hand-over` without
    --anew shows the same new keys in another card, to be proposed.
    """
    here = state.State(folder)
    passphrase = world.passphrase(folder.name)
    secrets = container.unseal((folder / state.KEYS).read_bytes(), passphrase)
    listed = asyncio.run(in_force(here)).nodes.get(secrets.holder)
    if listed is None:
        raise Refusal(Code.TRUST_INVALID, "", name=f"nodes/{secrets.holder}")
    shown = _shown(here, secrets)
    after = _taken_up(secrets, listed, certificate_digest(shown))
    if after is not None:
        write_private(folder / state.KEYS, sealed_surely(after, passphrase))
        here.keep_certificates(shown)
        secrets = after
    if after is not None and not anew:
        if session.as_json:
            output.show_json({"node": secrets.holder, "step": "in-use"})
        session.say(
            f"{secrets.holder}: las claves nuevas están en uso; las anteriores, destruidas.",
            f"{secrets.holder}: the new keys are in use; those before are destroyed.",
        )
        return
    output.must_be_new(card)
    if anew:
        secrets = _with_other_tls(here, secrets, listed)
        shown = _shown(here, secrets)
    secrets = _with_next(secrets, listed, anew=anew)
    write_private(folder / state.KEYS, sealed_surely(secrets, passphrase))
    # By whichever are listed: if what was void was handed in all the same, by those.
    before = node_rings.listed(secrets, listed.receipts.keys)
    old, new = (signers.software(secrets.of(name)) for name in (before.receipts, _NEXT))
    node = msgspec.structs.replace(
        listed,
        receipts=Signatory(listed.receipts.name, list(new.keys)),
        log=_public(secrets, _LOG_NEXT),
        tls=certificate_digest(shown),
    )
    made = NodeCard("xb1", world.now(), node, shown)
    write_card(session, card, made, new, {"node": secrets.holder, "step": "asked"}, old)


async def in_force(here: state.State) -> View:
    """Return what the node's own journal has in force: by that it opens, and by nothing else.

    Custodians may have agreed on more than was handed in, or than the node let in.
    """
    if not here.journal.exists():
        raise Unusable(
            f"{here.folder} aún no tiene diario: arranque el nodo primero.",
            f"{here.folder} has no journal yet: start the node first.",
            "STATE",
        )
    from exchange.node.opening import fold  # noqa: PLC0415  (a node's own; else not needed)
    from exchange.store.sqlite import SqliteStore  # noqa: PLC0415

    store = SqliteStore.open(here.journal, read_only=True)
    try:
        return await fold(store, View(anchor=here.settings().anchor))
    finally:
        await store.close()


def _taken_up(secrets: Secrets, listed: Node, tls: str) -> Secrets | None:
    """Return the container with the keys in use that are listed by now; None: not all are.

    ``tls`` is the digest of the certificate that goes with them.
    """
    if _NEXT not in secrets.keys:
        return None
    fresh = _public(secrets, _NEXT), _public(secrets, _LOG_NEXT), tls
    if fresh != (list(listed.receipts.keys), list(listed.log), listed.tls):
        return None
    kept = {name: keys for name, keys in secrets.keys.items() if name not in _IN_USE}
    came = {_IN_USE[name]: keys for name, keys in secrets.keys.items() if name in _IN_USE}
    taken = msgspec.structs.replace(secrets, keys={**kept, **came})
    # A document that lists keys which were void by then is a version too old by now.
    return node_rings.without_void(taken)


def _public(secrets: Secrets, purpose: str) -> list[Jwk]:
    return [load(each)[0] for each in secrets.of(purpose)]


def _shown(here: state.State, secrets: Secrets) -> str:
    """Return the certificate that a card shows: of the TLS key to come, if there is one."""
    (key,) = secrets.keys.get(_TLS_NEXT) or secrets.of("tls")
    return here.certificate(key.seed)


def _with_other_tls(here: state.State, secrets: Secrets, listed: Node) -> Secrets:
    """Return the container with another TLS key to come; its certificate is kept already."""
    seed = world.randomness(SEED_BYTES)
    host = urlsplit(listed.url).hostname or ""
    certificate, _ = state.make_certificate(host, seed, world.now())
    here.keep_certificates(here.certificate(secrets.of("tls")[0].seed), certificate)
    keys = {**secrets.keys, _TLS_NEXT: [SecretKey("ES256", seed)]}
    return msgspec.structs.replace(secrets, keys=keys)


def _with_next(secrets: Secrets, listed: Node, *, anew: bool) -> Secrets:
    """Return the container with keys to come, made once; anew: those of before are void."""
    if anew:
        secrets = node_rings.voided(secrets)
    if _NEXT in secrets.keys:
        return secrets
    fresh = new_signing(suite_of_node(listed), world.randomness)
    log = [SecretKey(each.alg, world.randomness(SEED_BYTES)) for each in secrets.of("log")]
    keys = {**secrets.keys, _NEXT: fresh, _LOG_NEXT: log}
    return msgspec.structs.replace(secrets, keys=keys)

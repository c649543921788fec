"""``arrangement propose``: write what shall change as one file, for others to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.cli import output, world
from exchange.cli.arranging import drafts, folder, telling
from exchange.cli.fingerprint import Digest
from exchange.cli.keying.admitting import OVERLAP
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable
from exchange.custody import cards, listing, proposal, proposing, ring
from exchange.custody.cards import CustodianCard, NodeCard
from exchange.custody.listing import Asked
from exchange.custody.proposing import LIFETIME_DAYS, Wanted
from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from exchange.model.trust import Member
    from exchange.model.view import View

_THERE = click.Path(path_type=Path, dir_okay=False, exists=True)
TRUST = click.option(
    "--trust",
    "kept",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of trust documents in force; for a founding an empty one, or none.",
)
ANCHOR = click.option(
    "--anchor",
    type=Digest(),
    help="Digest of the first root, or its 24 words, as heard; only a founding has none.",
)


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@TRUST
@ANCHOR
@click.option(
    "--custodian", "custodians", multiple=True, type=_THERE, help="Card of one who joins."
)
@click.option("--retire", multiple=True, metavar="NAME", help="A custodian who leaves.")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    type=(click.Choice(["pa", "us"]), click.IntRange(2, 16)),
    metavar="NATION COUNT",
    help="How many custodians of a nation must sign; 2 unless told.",
)
@click.option("--arrangement", type=_THERE, help="Draft of the arrangement (TOML).")
@click.option("--node", "nodes", multiple=True, type=_THERE, help="Card of a node.")
@click.option(
    "--loss",
    "losses",
    multiple=True,
    type=_THERE,
    help="Entries of a journal to be declared lost: `exchange journal draft-loss`.",
)
@click.option(
    "--members", "directories", multiple=True, type=_THERE, help="Draft of agencies (TOML)."
)
@click.option(
    "--request", "requests", multiple=True, type=_THERE, help="An endpoint's request for keys."
)
@click.option(
    "--anew", is_flag=True, help="Those endpoints and nodes lost their keys: vouched for."
)
@OVERLAP
@click.option(
    "--suspend", "suspended", multiple=True, metavar="ENDPOINT", help="Endpoint to shut out."
)
@click.option(
    "--resume", "resumed", multiple=True, metavar="ENDPOINT", help="Endpoint to let in again."
)
@click.option("--end-key", "ended", multiple=True, metavar="KID", help="Key that ends now.")
@click.option(
    "--refresh",
    "renew",
    multiple=True,
    type=click.Choice([*proposal.ROLES, "all"]),
    help="Make a role's file anew, with a later end and the same content; twice a year.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 1100),
    default=LIFETIME_DAYS,
    show_default=True,
    metavar="DAYS",
    help="For how long what is proposed will be good.",
)
@verb
def propose(session: Session, out: Path, kept: Path, anchor: str | None, **said: Any) -> None:
    """Write a proposal into OUT: what shall change, for the custodians to look at and sign.

    A founding takes the cards of at least two custodians of each nation, the draft of the
    arrangement and the card of a node. Nobody signs here; anybody may propose.
    """
    output.must_be_new(out)
    now = world.now()
    known = folder.read(kept, anchor, now)
    wanted = _wanted(known.view, said, now)
    until = now + said["days"] * ring.DAY_S
    raw = proposing.propose(known.view, wanted, now, until)
    output.write_new(out, raw)
    made = proposal.read(raw)
    steps = proposal.steps(made, known.view, now)
    telling.show(session, made, steps, {"file": str(out)})
    session.say(
        f"Propuesta en {out}. Nadie ha firmado nada: llévela a cada custodio"
        " («exchange arrangement sign»).",
        f"Proposal in {out}. Nobody has signed anything: carry it to each custodian"
        " (`exchange arrangement sign`).",
    )


def _wanted(view: View, said: dict[str, Any], now: int) -> Wanted:
    brought = {
        option: [path.read_bytes().strip() for path in said[option]]
        for option in ("custodians", "nodes", "requests")
    }
    shown = [cards.read(raw) for raw in brought["custodians"]]
    # A node that lost its keys cannot hand over: as with an endpoint, others vouch for it.
    listed = None if said["anew"] else view
    nodes = [cards.read(raw, listed) for raw in brought["nodes"]]
    named = said["arrangement"]
    wanted = Wanted(
        custodians=[each for each in shown if isinstance(each, CustodianCard)],
        retire=said["retire"],
        thresholds=dict(said["thresholds"]),
        arrangement=drafts.arrangement(named) if named else None,
        nodes=[each.node for each in nodes if isinstance(each, NodeCard)],
        renew=proposal.ROLES if "all" in said["renew"] else said["renew"],
        shown=[raw for each in brought.values() for raw in each],
        losses=[drafts.loss(path) for path in said["losses"]],
    )
    if len(wanted.custodians) != len(shown) or len(wanted.nodes) != len(nodes):
        raise Unusable(
            "--custodian toma la tarjeta de un custodio, y --node la de un nodo.",
            "--custodian takes a custodian's card, and --node a node's.",
        )
    if view.arrangement is None and wanted.custodians and not wanted.nodes:
        raise Unusable(
            "Una fundación necesita la tarjeta de al menos un nodo.",
            "A founding takes the card of at least one node.",
            "--node",
        )
    _must_fit(said, view)
    members = _members(_with(view, wanted), said, brought["requests"], now)
    return wanted._replace(members=members)


def _must_fit(said: dict[str, Any], view: View) -> None:
    """Refuse what a slip of the pen asks for: nobody would see it on the page."""
    if both := {*said["suspended"]} & {*said["resumed"]}:
        raise Unusable(
            f"{min(both)}: se suspende o se reanuda, no ambas cosas.",
            f"{min(both)}: either suspended or resumed, not both.",
            "--resume",
        )
    for name in said["resumed"]:
        standing = view.endpoints.get(name)
        if standing is not None and standing.is_active:
            raise Unusable(
                f"{name} no está suspendido: no hay nada que reanudar.",
                f"{name} is not suspended: there is nothing to resume.",
                "--resume",
            )


def _with(view: View, wanted: Wanted) -> View:
    """Return the view with what is proposed beside the members: their keys are judged by it."""
    if wanted.arrangement:
        view = view.with_document(wanted.arrangement)
    for node in wanted.nodes:
        view = view.with_document(node)
    return view


def _members(
    view: View, said: dict[str, Any], requests: Sequence[bytes], now: int
) -> Sequence[Member]:
    described = [
        each for path in said["directories"] for each in drafts.directory(path).members
    ]
    asked = Asked(
        drafts=described,
        requests=requests,
        suspended=said["suspended"],
        resumed=said["resumed"],
        ended=said["ended"],
        anew=said["anew"],
        overlap_s=said["overlap_days"] * ring.DAY_S,
    )
    if view.arrangement is None and asked.requests:
        raise Refusal(Code.TRUST_INVALID, "", name="arrangement")
    try:
        return listing.members(view, asked, now)
    except Refusal as refusal:
        if refusal.code is not Code.ENDPOINT_SUSPENDED or asked.anew:
            raise
        name = refusal.facts["name"]
        raise Unusable(
            f"{name} está suspendido: sus claves de antes no piden nada. --anew las termina, y"
            f" --resume {name} lo deja entrar otra vez con las nuevas.",
            f"{name} is suspended: its keys of before ask for nothing. --anew ends them, and"
            f" --resume {name} lets it in again by the new ones.",
            "--request",
        ) from refusal

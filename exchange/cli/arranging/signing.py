"""``arrangement sign`` and ``approve``: each custodian's consent, and all put together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from exchange.cli import fingerprint, output, world
from exchange.cli.arranging import folder, telling
from exchange.cli.arranging.proposing import ANCHOR, TRUST
from exchange.cli.asking import confirm
from exchange.cli.home import signer_in
from exchange.cli.main import Session, verb
from exchange.custody import consent, proposal
from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.cli.arranging.folder import Kept
    from exchange.custody.consent import Agreed, Consent
    from exchange.custody.proposal import Proposal, Step

_THERE = click.Path(path_type=Path, dir_okay=False, exists=True)
PROPOSAL = click.argument("proposed", metavar="PROPOSAL", type=_THERE)
CONSENTS = click.argument("signed", metavar="SIGNATURE", nargs=-1, required=True, type=_THERE)


@click.command()
@PROPOSAL
@click.option(
    "--keys", "keys", required=True, type=_THERE, help="The custodian's key container."
)
@TRUST
@ANCHOR
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the signature file.",
)
@click.option("--yes", is_flag=True, help="Do not ask before signing.")
@verb
def sign(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    proposed: Path,
    *,
    keys: Path,
    kept: Path,
    anchor: str | None,
    out: Path,
    yes: bool,
) -> None:
    """Look at a PROPOSAL on one's own machine, and sign what is one's own to sign of it.

    What changes is shown in both languages, and the fingerprint in words: compare it with the
    others by voice before the answer. The proposal must go on from the documents in --trust,
    and they from the --anchor on one's own paper, which stands on the page.
    """
    output.must_be_new(out)
    now = world.now()
    made = proposal.read(proposed.read_bytes())
    known = folder.read(kept, anchor, now, founded_by=made)
    steps = proposal.steps(made, known.view, now)
    if not session.as_json:
        telling.show(session, made, steps, {})
    if not yes:
        confirm(session, "¿Firmar?", "Sign?")
    raw = consent.sign(made, steps, signer_in(keys))
    given = consent.read(raw)
    consent.verify(given, made, steps)
    output.write_new(out, raw)
    roles = [step.part.role for step, mine in zip(steps, given.parts, strict=True) if mine]
    if session.as_json:
        told = {"custodian": given.name, "signed": roles, "file": str(out)}
        output.show_json({**telling.facts(made, steps), **told})
    session.say(
        f"{given.name} firmó {', '.join(roles)}, en {out}.",
        f"{given.name} signed {', '.join(roles)}, in {out}.",
    )


class Together(NamedTuple):
    """A proposal with all its consents, judged: what a node would take in."""

    proposal: Proposal
    steps: list[Step]
    consents: list[Consent]
    agreed: Agreed
    place: int


def together(kept: Kept, made: Proposal, signed: Sequence[Path], now: int | None) -> Together:
    """Put a proposal and signature files together, from where in the folder it goes on.

    Args:
        kept: the trust documents, with or without those that the proposal brought.
        made: the proposal.
        signed: the signature files, in any order.
        now: seconds UTC; None: when it was proposed, so that the same files tell the same.
    """
    then = made.issued if now is None else now
    place = kept.at(made.base)
    # Who signed looked at cards and requests then; how old they are by now says nothing.
    steps = proposal.steps(made, kept.views[place], then, made.issued)
    given = [consent.read(path.read_bytes()) for path in signed]
    return Together(made, steps, given, consent.agree(made, steps, given, then), place)


@click.command()
@PROPOSAL
@CONSENTS
@TRUST
@ANCHOR
@verb
def approve(
    session: Session, proposed: Path, signed: tuple[Path, ...], kept: Path, anchor: str | None
) -> None:
    """Put a PROPOSAL and its SIGNATURE files together, and add what they make to --trust.

    The last check: everything is judged as a node will judge it. Nothing is written unless all
    is there, nor over anything; said again of the same files, it changes nothing.
    """
    read = proposal.read(proposed.read_bytes())
    known = folder.read(kept, anchor, world.now(), founded_by=read)
    whole = together(known, read, signed, world.now())
    there = known.bundles[whole.place :]
    made = whole.agreed.bundles
    if there and there[: len(made)] != made[: len(there)]:
        # Other signatures, or another proposal, from the same state: one of them is in force.
        raise Refusal(Code.PROPOSAL_STALE, "/base")
    fresh = made[len(there) :]
    paths = folder.write(kept, whole.place + len(there), fresh)
    view = whole.agreed.view
    if session.as_json:
        told = {"anchor": view.anchor, "words": fingerprint.spoken(view.anchor)}
        output.show_json({**told, "files": [str(path) for path in paths]})
    session.say(
        f"{len(paths)} documentos nuevos en {kept}." if paths else f"Todo estaba ya en {kept}.",
        f"{len(paths)} new documents in {kept}." if paths else f"All was in {kept} already.",
    )
    fingerprint.show(
        session,
        "El ancla, para quien ponga en marcha un nodo, un punto de enlace o una auditoría:",
        "The anchor, for whoever sets up a node, an endpoint or an audit:",
        view.anchor,
    )

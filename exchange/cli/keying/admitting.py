"""``keys admit`` and ``keys publish``: custodians list new keys, an operator hands them in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import click

from exchange.cli import fingerprint, output, world
from exchange.cli.asking import confirm
from exchange.cli.home import signer_in, write_private
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.client import vouching
from exchange.custody import ring
from exchange.errors import Code, Fault, Refusal
from exchange.model import trust as trusts
from exchange.model.identity import digest
from exchange.model.trust import Endpoint, Member, Role
from exchange.seal import enrolment, trust, trust_making

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.vouching import Vouchers
    from exchange.model.objects import Enrolment, Invitation, Verdict
    from exchange.model.view import Custodians, View
    from exchange.seal.jws import Signer

# Half a year: custodians meet twice in one.
GOOD_FOR_DAYS = 183

_REQUEST = click.Path(path_type=Path, dir_okay=False, exists=True)


OVERLAP = click.option(
    "--overlap-days",
    type=click.IntRange(0, 366),
    default=ring.OVERLAP_DAYS,
    show_default=True,
    metavar="DAYS",
    help="How long a replaced key stays valid beside the new one.",
)


class Described(NamedTuple):
    """What custodians say of an endpoint that is not listed yet."""

    spanish: str | None
    english: str | None
    roles: tuple[Role, ...]

    def fresh(self, request: Enrolment) -> Endpoint | None:
        """Return the endpoint to list, where enough is said of it."""
        if not (self.spanish and self.english and self.roles):
            return None
        title: trusts.Label = {"es": self.spanish, "en": self.english}
        return Endpoint(
            request.endpoint, title, "active", request.suite, sorted(set(self.roles)), []
        )


@click.command()
@click.argument("request", type=_REQUEST)
@click.option(
    "--custodian",
    "custodians",
    multiple=True,
    required=True,
    type=_REQUEST,
    metavar="FILE",
    help="A custodian's key container; as many as the nation's threshold.",
)
@click.option(
    "--trust",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The trust documents in force, *.trust in their order; else the node is asked.",
)
@click.option(
    "--anchor",
    type=fingerprint.Digest(),
    help="Digest of the first root, or its 24 words; needed with --trust.",
)
@OVERLAP
@click.option(
    "--good-for-days",
    type=click.IntRange(1, 400),
    default=GOOD_FOR_DAYS,
    show_default=True,
    metavar="DAYS",
    help="When the nation's directory runs out, unless it is signed anew before.",
)
@click.option("--anew", is_flag=True, help="The endpoint lost its keys: vouched for otherwise.")
@click.option("--title-es", help="A new endpoint's name in Spanish.")
@click.option("--title-en", help="A new endpoint's name in English.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(get_args(Role)),
    help="What a new endpoint may do; once for each role.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the signed document.",
)
@click.option("--yes", is_flag=True, help="Do not ask before signing.")
@verb
def admit(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    request: Path,
    *,
    custodians: tuple[Path, ...],
    folder: Path | None,
    anchor: str | None,
    overlap_days: int,
    good_for_days: int,
    anew: bool,
    title_es: str | None,
    title_en: str | None,
    roles: tuple[Role, ...],
    out: Path,
    yes: bool,
) -> None:
    """Check a REQUEST for new keys, and sign the member document that lists them.

    The request must be signed by the endpoint's keys in force and by each new signing key.
    Custodians run this; `keys publish` or the node's trust folder then takes the document in.
    """
    if (folder is None) != (anchor is None):
        raise Unusable("--trust y --anchor van juntos.", "--trust and --anchor go together.")
    now, view = world.now(), _view(session, folder, anchor)
    raw = request.read_bytes().strip()
    checked, vouched = vouching.check(raw, view, now, anew=anew)
    named = digest(vouching.request_in(raw))
    listed = before = _member(view, checked)
    fresh = Described(title_es, title_en, roles).fresh(checked)
    overlap_s = overlap_days * ring.DAY_S
    if anew:
        before = enrolment.ended(listed, checked.endpoint, now, overlap_s)
    after = enrolment.admitted(before, checked, now, overlap_s, fresh)
    rows = _changes(listed, after, checked)
    if not session.as_json:
        _show(session, checked, named, rows)
        _tell_vouchers(session, vouched)
    if not yes:
        confirm(session, "¿Firmar?", "Sign?")
    made, files = trust_making.of_nation(
        view, after.nation, [after], now + good_for_days * ring.DAY_S
    )
    signers = _signers(custodians, view.custodians[after.nation][after.nation])
    document = trust_making.signed(made, files, signers)
    # What does not hold is not written: too few custodians, say, or another nation's.
    trust.judge(document, view, now)
    write_private(out, document)
    if session.as_json:
        told = {"name": trusts.name_of(after), "version": after.version, "file": str(out)}
        told |= {"endpoint": checked.endpoint, "digest": named}
        told |= {"role": made.role, "role_version": made.version, "expires": made.expires}
        told |= {"words": fingerprint.spoken(named)}
        told |= {f"{did}_by": f"{one.endpoint} {one.officer}" for did, one in _named(vouched)}
        output.show_json({**told, "keys": rows})
    session.say(
        f"{trusts.name_of(after)}, versión {after.version}, en {out}."
        f" Un operador lo entrega con «exchange keys publish {out}».",
        f"{trusts.name_of(after)}, version {after.version}, in {out}."
        f" An operator hands it in with `exchange keys publish {out}`.",
    )


def _view(session: Session, folder: Path | None, anchor: str | None) -> View:
    """Return the trust documents in force: from files, or from the node through a context."""
    if folder is None or anchor is None:
        return asyncio.run(_view_of_node(session))
    paths = sorted(folder.glob("*.trust"))
    return trust.follow((path.read_bytes().strip() for path in paths), anchor, world.now())


async def _view_of_node(session: Session) -> View:
    async with session.context().agency() as agency:
        return await agency.view()


def _member(view: View, request: Enrolment) -> Member:
    """Return the member's document in force."""
    found = view.member(request.origin)
    if found is None:
        raise Refusal(Code.UNKNOWN_ENDPOINT, "/origin", name=request.origin)
    return found


def _signers(custodians: Sequence[Path], circle: Custodians) -> list[Signer]:
    """Return the custodians' signers in the order of their role, however they were named."""
    found = [signer_in(path) for path in custodians]
    return sorted(found, key=lambda s: trust.place_of(s.keys, circle))


def _changes(before: Member, after: Member, request: Enrolment) -> list[dict[str, Any]]:
    """Return what the document changes of the endpoint's keys, one row each."""

    def ends(member: Member) -> dict[str, tuple[str, str, int, int]]:
        return {
            key.jwk.kid: (key.use, key.jwk.alg, key.since, key.until)
            for each in member.endpoints
            if each.id == request.endpoint
            for key in each.keys
        }

    old, new = ends(before), ends(after)
    rows = []
    for kid, (use, alg, since, until) in {**old, **new}.items():
        if kid not in new:
            change = "left-out"
        elif kid not in old:
            change = "new"
        else:
            change = "kept" if old[kid] == new[kid] else "ends"
        dates = {"since": zulu(since), "until": zulu(until)}
        rows.append({"change": change, "use": use, "alg": alg, **dates, "kid": kid})
    return rows


_HEADS = {
    "en": {"change": "change", "use": "use", "alg": "alg", "since": "from", "until": "until",
           "kid": "kid"},
    "es": {"change": "cambio", "use": "uso", "alg": "alg", "since": "desde", "until": "hasta",
           "kid": "kid"},
}  # fmt: skip
_WORDS = {
    "en": {"new": "new", "ends": "ends then", "kept": "stays", "left-out": "left out",
           "sig": "signs", "enc": "opens"},
    "es": {"new": "nueva", "ends": "termina", "kept": "sigue", "left-out": "se omite",
           "sig": "firma", "enc": "abre"},
}  # fmt: skip


def _show(
    session: Session, request: Enrolment, named: str, rows: Sequence[dict[str, Any]]
) -> None:
    words = _WORDS[session.lang]
    fingerprint.show(
        session,
        f"{request.endpoint}: huella de la solicitud, para cotejarla de viva voz:",
        f"{request.endpoint}: fingerprint of the request, to be compared by voice:",
        named,
    )
    shown = [{**row, "change": words[row["change"]], "use": words[row["use"]]} for row in rows]
    output.table(shown, _HEADS[session.lang])


def _named(vouched: Vouchers | None) -> list[tuple[str, Invitation | Verdict]]:
    return [] if vouched is None else list(zip(("invited", "approved"), vouched, strict=True))


def _tell_vouchers(session: Session, vouched: Vouchers | None) -> None:
    """Name the two persons who stand for a request by invitation."""
    if vouched is None:
        return
    invited, approved = vouched
    session.say(
        f"Invitó {invited.officer} ({invited.endpoint}); aprobó {approved.officer}"
        f" ({approved.endpoint}), el {zulu(approved.at)}.",
        f"Invited by {invited.officer} ({invited.endpoint}); approved by {approved.officer}"
        f" ({approved.endpoint}), on {zulu(approved.at)}.",
    )


@click.command()
@click.argument("document", type=_REQUEST)
@verb
def publish(session: Session, document: Path) -> None:
    """Hand a signed trust DOCUMENT to the node, as an operator; it takes effect at once."""
    try:
        raw = document.read_bytes().strip()
    except OSError as error:
        raise Fault(Code.KEY_FILE, name=document.name, found=type(error).__name__) from error
    index = asyncio.run(_publish(session, raw))
    if session.as_json:
        output.show_json({"index": index})
    session.say(f"En vigor desde el asiento {index}.", f"In force since entry {index}.")


async def _publish(session: Session, raw: bytes) -> int:
    async with session.context().agency() as agency:
        return (await agency.establish(raw)).index

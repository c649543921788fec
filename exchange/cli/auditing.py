"""Verbs of an auditor: ``audit mirror``, ``log``, ``checkpoint``, ``proof``, and others'."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.cli import erasures, listing, output, progress, witnessed, world
from exchange.cli.consoling import console
from exchange.cli.keeping import keep_evidence
from exchange.cli.main import Session, group, verb
from exchange.cli.packaging import package
from exchange.cli.reporting import report
from exchange.cli.searching import search, story
from exchange.cli.times import zulu, zulu_ms
from exchange.cli.unusual import anomalies, export, watch
from exchange.cli.verifying import verify
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import wire

if TYPE_CHECKING:
    from exchange.client.witnessing import Vouched
    from exchange.journal.checkpoint import Verified
    from exchange.journal.terms import Terms

_ALL = 2**53
_NUMBER = click.IntRange(min=0)


@group
def audit() -> None:
    """Review the record: mirror it, list it, verify it, prove one entry."""


for each in (verify, search, story, package, anomalies, export, watch, report, console):
    audit.add_command(each)


@audit.command("mirror")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@verb
def mirror(session: Session, file: Path) -> None:
    """Copy the node's journal into FILE, judging every entry. Needs the auditor's role.

    A mirror made before is gone on with, once all that it holds is what the node still says.
    It ends with 5 where the node recorded what does not follow, shows an old state, or signed
    another past than it told; what it signed of that is kept in FILE.evidence.
    """
    size, new = asyncio.run(_mirror(session, file))
    if session.as_json:
        output.show_json({"file": str(file), "size": size, "new": new})
    session.say(
        f"{size} asientos en {file}, {new} de ellos nuevos",
        f"{size} entries in {file}, {new} of them new",
    )


async def _mirror(session: Session, file: Path) -> tuple[int, int]:
    from exchange.audit.mirror import Desk, pull  # noqa: PLC0415
    from exchange.store.sqlite import SqliteStore  # noqa: PLC0415

    async with session.context().agency() as agency:
        # Nothing is put on disk for whoever turns out to have no session, or not the role.
        await agency.transport.get("/v1/journal", first=0, limit=1)
        file.parent.mkdir(parents=True, exist_ok=True)
        store = SqliteStore.open(file)
        try:
            anchor = agency.profile.anchor
            desk = Desk(world.now, partial(keep_evidence, file))
            return await pull(agency.transport, store, anchor, desk, progress.counted(session))
        finally:
            await store.close()


@audit.command("log")
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--first", default=0, type=_NUMBER, help="From this entry on.")
@click.option("--limit", default=1000, type=_NUMBER, show_default=True, help="At most so many.")
@click.option(
    "--purged",
    is_flag=True,
    help="What was erased: when, by which rule, and who attested it. Reads all entries.",
)
@verb
def log(session: Session, file: Path | None, first: int, limit: int, purged: bool) -> None:
    """List journal entries: of FILE, or of the node (which needs the auditor's role)."""
    if purged:
        first, limit = 0, _ALL
    found = (
        listing.of_file(file, first, limit)
        if file
        else asyncio.run(_of_node(session, first, limit))
    )
    if purged:
        erasures.show(session, erasures.found(found))
        return
    rows = [_row(index, raw) for index, raw in found]
    if session.as_json:
        output.show_json({"entries": rows})
        return
    spanish = {
        "index": "asiento",
        "taken": "hora",
        "kind": "clase",
        "who": "quién",
        "told": "qué",
    }
    english = {"index": "entry", "taken": "time", "kind": "kind", "who": "who", "told": "what"}
    output.table(rows, spanish if session.lang == "es" else english)


async def _of_node(session: Session, first: int, limit: int) -> list[tuple[int, bytes]]:
    async with session.context().agency() as agency:
        return await listing.of_node(agency, first, limit)


def _row(index: int, raw: bytes) -> dict[str, Any]:
    entry = entries.decode(raw)
    facts = entry.facts
    row = {"index": index, "taken": zulu_ms(facts.taken_ms), "kind": entries.kind_of(facts)}
    told, home = _told(entry), entries.home_of(facts)
    if home is None:
        return {**row, **told}
    words = f"{told['told']} < {home.node} {home.index}".strip()
    return {**row, **told, "told": words, "home": home}


def _told(entry: entries.Entry) -> dict[str, str]:
    from exchange.model import header as headers  # noqa: PLC0415
    from exchange.seal import jws  # noqa: PLC0415

    match entry.facts:
        case entries.Accepted() as facts:
            header = headers.decode(jws.read(entry.object, headers.MAX_HEADER_BYTES).payload)
            owed = " ".join(each.endpoint for each in facts.owed)
            told = f"{header.type} {header.verb} {header.id} > {owed}"
            return {"who": header.endpoint, "told": told}
        case (
            entries.Acknowledged()
            | entries.Granted()
            | entries.Released()
            | entries.Drafted()
            | entries.Noticed()
            | entries.Confirmed()
            | entries.Consented()
            | entries.Requested()
        ) as facts:
            return _about_another(facts, entry.object)
        case entries.Invited() | entries.EnrolmentAsked() | entries.Decided() as facts:
            return _of_enrolment(facts, entry.object)
        case _:
            return _of_the_node(entry.facts)


def _of_enrolment(
    facts: entries.Invited | entries.EnrolmentAsked | entries.Decided, raw: bytes
) -> dict[str, str]:
    from exchange.model import objects  # noqa: PLC0415
    from exchange.seal import jws  # noqa: PLC0415

    payload = jws.read(raw, objects.MAX_OBJECT_BYTES).payload
    match facts:
        case entries.Invited():
            invited = objects.decode_invitation(payload)
            who = f"{invited.endpoint} {invited.officer}"
            return {"who": who, "told": f"{invited.invited} < {zulu(invited.until)}"}
        case entries.EnrolmentAsked():
            asked = objects.decode_enrolment(payload)
            return {"who": asked.endpoint, "told": f"{len(asked.keys)} ({facts.of})"}
        case entries.Decided():
            ruled = objects.decode_verdict(payload)
            who = f"{ruled.endpoint} {ruled.officer}"
            return {"who": who, "told": f"{ruled.verdict} ({facts.of})"}


def _of_the_node(facts: entries.Facts) -> dict[str, str]:
    """Tell of an entry that the node made itself."""
    who = told = ""
    match facts:
        case entries.PurgeOrdered():
            told = f"{facts.cause} {facts.rule or ''}".strip() + f" ({facts.of})"
        case entries.Purged():
            told = f"{len(facts.digests)} ({' '.join(map(str, facts.orders))})"
        case entries.Refused():
            who, told = facts.caller, f"{facts.code} {facts.at}".strip()
        case entries.Trust() | entries.TrustReceived():
            told = f"{facts.name} v{facts.version}"
        case entries.EpochOpened():
            who, told = facts.node, f"epoch {facts.epoch}"
        case entries.Checkpointed() | entries.InboxHeads():
            told = f"size {facts.size}"
        case entries.AuditRead():
            who, told = (
                facts.auditor,
                " ".join(f"{each.what} {each.span}" for each in facts.reads),
            )
        case _:
            pass
    return {"who": who, "told": told}


def _about_another(
    facts: entries.Acknowledged
    | entries.Granted
    | entries.Released
    | entries.Drafted
    | entries.Noticed
    | entries.Confirmed
    | entries.Consented
    | entries.Requested,
    raw: bytes,
) -> dict[str, str]:
    from exchange.model import objects  # noqa: PLC0415
    from exchange.seal import jws  # noqa: PLC0415

    payload = jws.read(raw, objects.MAX_OBJECT_BYTES).payload
    at = "" if facts.of is None else f" ({facts.of})"
    match facts:
        case entries.Acknowledged():
            ack = objects.decode_acknowledgement(payload)
            who, told = ack.endpoint, f"{ack.outcome} {ack.of.id}{at}"
        case entries.Granted():
            grant = objects.decode_grant(payload)
            who, told = grant.endpoint, f"{grant.of.id}{at} > {grant.to}"
        case entries.Released():
            release = objects.decode_release(payload)
            who, told = release.endpoint, f"{release.of.id}{at}"
        case entries.Drafted():
            draft = objects.decode_draft(payload)
            to = " ".join(draft.to)
            who, told = draft.endpoint, f"{draft.step} {draft.of}{at} > {to}"
        case entries.Confirmed():
            confirmed = objects.decode_confirmation(payload)
            who, told = confirmed.endpoint, f"{confirmed.of.id}{at}"
        case entries.Consented():
            consent = objects.decode_consent(payload)
            until = "withdrawn" if consent.until is None else zulu(consent.until)
            passed = f"{consent.of.id}{at} > {consent.by} > {consent.to} {until}"
            who, told = consent.endpoint, passed
        case entries.Requested():
            asked = objects.decode_request(payload)
            said = " ".join(filter(None, (asked.step, asked.feed, asked.reason)))
            who, told = asked.endpoint, f"{said}{at} > {asked.to}"
        case entries.Noticed():
            notice = objects.decode_notice(payload)
            said = " ".join(filter(None, (notice.about, notice.recipient, notice.code)))
            who, told = notice.node, f"{said} {notice.of.id}{at}"
    return {"who": who, "told": told}


@audit.command("checkpoint")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--cosigned", is_flag=True, help="The newest that a quorum of witnesses cosigned."
)
@verb
def checkpoint(session: Session, file: Path, cosigned: bool) -> None:
    """Save the node's newest signed checkpoint in FILE, for `audit verify --checkpoint`."""
    output.must_be_new(file)
    raw, size = asyncio.run(_checkpoint(session, cosigned=cosigned))
    output.write_new(file, raw)
    if session.as_json:
        output.show_json({"file": str(file), "size": size})
    session.say(
        f"Punto de control de {size} asientos en {file}; guárdelo fuera del nodo.",
        f"Checkpoint of {size} entries in {file}; keep it away from the node.",
    )


async def _checkpoint(session: Session, *, cosigned: bool) -> tuple[bytes, int]:
    from exchange.journal import terms  # noqa: PLC0415

    async with session.context().agency() as agency:
        raw = await agency.transport.get("/v1/checkpoint", cosigned=int(cosigned))
        view = await agency.view()
    needed = terms.of(raw, agency.profile.node, view)
    verified = needed.verify(raw)
    _vouched(verified, needed, must=cosigned)
    return raw, verified.checkpoint.size


def _vouched(verified: Verified, needed: Terms, *, must: bool) -> Vouched | None:
    """Return who vouches for a checkpoint.

    Raises:
        Refusal: ``bad-checkpoint``: somebody must, and it is no quorum.
    """
    from exchange.client import witnessing  # noqa: PLC0415

    vouched = witnessing.by_quorum(verified, needed)
    if must and vouched is None:
        raise Refusal(Code.BAD_CHECKPOINT, "/cosigned")
    return vouched


@audit.command("proof")
@click.argument("index", type=_NUMBER)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Save the proof.")
@click.option(
    "--cosigned", is_flag=True, help="Under the newest that a quorum of witnesses cosigned."
)
@verb
def proof(session: Session, index: int, out: Path | None, cosigned: bool) -> None:
    """Prove that entry INDEX is under the node's newest signed checkpoint."""
    if out is not None:
        output.must_be_new(out)
    result, text = asyncio.run(_proof(session, index, cosigned=cosigned))
    if out is not None:
        output.write_new(out, text.encode())
    if session.as_json:
        output.show_json(result)
    session.say(
        f"El asiento {index} está bajo el punto de control de {result['size']} asientos, "
        f"firmado por {result['origin']} ({result['steps']} pasos).",
        f"Entry {index} is under the checkpoint of {result['size']} entries, "
        f"signed by {result['origin']} ({result['steps']} steps).",
    )
    session.say(*witnessed.line(result["quorum"], result["witnessed"]))


async def _proof(session: Session, index: int, *, cosigned: bool) -> tuple[dict[str, Any], str]:
    from exchange.journal import bundle, terms  # noqa: PLC0415
    from exchange.journal.tree import leaf_hash  # noqa: PLC0415

    async with session.context().agency() as agency:
        asked = {"index": index, "cosigned": int(cosigned)}
        answer = await agency.transport.get_as(wire.Proof, "/v1/proof", **asked)
        raw = await listing.one(agency, index)
        view = await agency.view()
    found = bundle.parse(answer.proof.encode())
    if found.index != index:
        raise Refusal(Code.BAD_PROOF, "/index", found=found.index)
    needed = terms.of(found.note, agency.profile.node, view)
    verified = needed.prove(found, leaf_hash(raw))
    head, vouched = verified.checkpoint, _vouched(verified, needed, must=cosigned)
    told = {"index": index, "size": head.size, "origin": head.origin, "steps": len(found.path)}
    quorum = view.agreed().quorum
    return {**told, "quorum": quorum, "witnessed": witnessed.values(vouched)}, answer.proof

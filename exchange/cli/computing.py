"""``draft sta --from --to``: the statistics of a period, from what this endpoint can read."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from exchange import render
from exchange.cli import away, output, progress, world
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.client import sources, statistics
from exchange.client.reports import Asked
from exchange.client.sources import Mail
from exchange.client.transport import is_away
from exchange.render import values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exchange.cli.main import Session
    from exchange.client.agency import Agency
    from exchange.client.doubles import Event
    from exchange.client.reports import Report
    from exchange.client.statistics import Account
    from exchange.model.bulletin.blocks import Quantity
    from exchange.model.view import View

_HEADS = {
    "en": {"figure": "figure", "value": "value", "from": "from (entry, agency)"},
    "es": {"figure": "cifra", "value": "valor", "from": "de (asiento, agencia)"},
}
_BY = {
    "en": {"reference": "one names the other", "case": "the same boarding case",
           "event": "the same event", "container": "the same container",
           "code-name": "the same code name", "officer": "by --same"},
    "es": {"reference": "uno nombra al otro", "case": "el mismo caso de abordaje",
           "event": "el mismo suceso", "container": "el mismo contenedor",
           "code-name": "el mismo nombre clave", "officer": "por --same"},
}  # fmt: skip
_UNTOLD = {
    "en": {"apart": "Not told as reconciled: what crossed alone does not show it so in this"
                    " period.",
           "unnamed": "Not told as reconciled: each report of it crossed in several envelopes,"
                      " and none may be named. Tell of it by hand, if at all."},
    "es": {"apart": "No se dice como conciliado: solo por lo que cruzó no consta así en este"
                    " período.",
           "unnamed": "No se dice como conciliado: cada informe suyo cruzó en varios sobres, y"
                      " ninguno se puede nombrar. Dígalo a mano, si acaso."},
}  # fmt: skip
_WHY = {
    "en": {"locked": "it cannot be opened here", "newer": "of a newer version of the language",
           "correction": "a correction of it is not here, or does not hold",
           "version": "its newest version is not here, or was cancelled",
           "exercise": "the operation was an exercise",
           "envelope": "cancelled, but another envelope of it was not, and counts"},
    "es": {"locked": "no se puede abrir aquí", "newer": "de una versión más nueva del lenguaje",
           "correction": "una corrección suya no está aquí, o no concuerda",
           "version": "su versión más nueva no está aquí, o fue cancelada",
           "exercise": "la operación fue un ejercicio",
           "envelope": "cancelado, pero otro sobre suyo no lo fue, y cuenta"},
}  # fmt: skip


class Wanted(NamedTuple):
    """What was asked for, as it was written."""

    since: str
    until: str
    status: str | None
    same: Sequence[str]
    out: Path | None


class _Made(NamedTuple):
    account: Account
    draft: dict[str, Any]
    as_of: dict[str, Any]


def run(session: Session, wanted: Wanted) -> None:
    """Compute it, and say from what; where the node is away, from what was known last."""
    if wanted.out is not None:
        output.must_be_new(wanted.out)
    made = asyncio.run(_make(session, wanted))
    text = json.dumps(made.draft, ensure_ascii=False, indent=1) + "\n"
    if wanted.out is not None:
        output.write_new(wanted.out, text.encode())
    if session.as_json:
        told = {"draft": made.draft, "out": None if wanted.out is None else str(wanted.out)}
        output.show_json({**told, **_values(made.account), **made.as_of})
    else:
        _show_doubles(session, made.account)
        _show_open(session, made.account)
    if wanted.out is None and not session.as_json:
        # Only the draft, so that it can be piped; the rest goes beside.
        click.echo(text, nl=False)
    elif wanted.out is not None and not session.as_json:
        output.table(_rows(session, made.account), _HEADS[session.lang])
        where = render.visible(str(wanted.out))
        session.say(
            f"Escrito: {where}. Revíselo, y luego: exchange check {where}",
            f"Written: {where}. Look it over, then: exchange check {where}",
        )
    away.conclude(made.as_of, session)
    why = made.account.unasked.why
    if why is not None and is_away(why):
        away.leave(session)


async def _make(session: Session, wanted: Wanted) -> _Made:
    # What shows what was posted from here is the desk's, and needs it alone.
    from exchange.desk.ours import Ours  # noqa: PLC0415

    async with session.context().agency() as agency:
        shown = await agency.known()
        view = agency.trust.newest
        status = wanted.status or ("exercise" if view.agreed().exercise else "actual")
        asked = Asked.of_days(wanted.since, wanted.until, status)
        mail = Mail(shown.items, Ours(agency, world.codes()).items, shown.away)
        pairs, tell = _pairs(wanted.same), progress.counted(session)
        account = await sources.account(agency, mail, asked, pairs, tell)
        draft = {
            "post": _post(agency, view, account),
            "bulletin": statistics.bulletin(account, session.lang),
        }
        return _Made(account, draft, away.told(agency, shown))


def _pairs(same: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [tuple(each.split("=")) for each in same]
    if any(len(each) != 2 for each in pairs):
        raise Unusable("--same va con ID=ID.", "--same goes with ID=ID.")
    return [(each[0], each[1]) for each in pairs]


def _post(agency: Agency, view: View, account: Account) -> dict[str, Any]:
    standing = view.standing(agency.profile.endpoint)
    feeds = [
        feed.name
        for feed in view.agreed().feeds
        if "sta" in feed.types and standing.member.member in feed.post
    ]
    return {
        "feed": feeds[0] if feeds else "dialogue",
        "precedence": "routine",
        "status": account.asked.status,
        "expires": "30d",
        "retain": "365d",
        "marking": msgspec.to_builtins(statistics.marking(account, standing.alpha3)),
    }


# -- told ---------------------------------------------------------------------------------


def _values(account: Account) -> dict[str, Any]:
    why = account.unasked.why
    return {
        "status": account.asked.status,
        "figures": msgspec.to_builtins(account.figures),
        "sources": [_source(each) for each in account.reports],
        "doubles": [
            {"counted": each.reports[0].id, "reports": [report.id for report in each.reports],
             "ties": msgspec.to_builtins(each.ties),
             "reconciliation": account.sides.get(each.reports[0].id),
             "untold": account.untold.get(each.reports[0].id)}
            for each in account.doubles
        ],
        "alike": msgspec.to_builtins(account.alike),
        "not_counted": [
            {"id": each.item.header.id, "index": each.item.index,
             "origin": each.item.header.origin, "why": each.why}
            for each in account.left
        ],
        "unasked": [*account.unasked.ids],
        "unasked_why": None if why is None else output.problem(why),
    }  # fmt: skip


def _source(each: Report) -> dict[str, Any]:
    header = each.item.header
    return {
        "id": each.id,
        "ids": each.ids,
        "index": each.item.index,
        "type": header.type,
        "origin": header.origin,
        "at": zulu(int(each.at.timestamp())),
    }


def _rows(session: Session, account: Account) -> list[dict[str, Any]]:
    codes, lang, content = world.codes(), session.lang, account.content
    named = {
        each.id: f"{each.item.index} {each.item.header.origin}" for each in account.reports
    }
    of = {each.at: ", ".join(named[id_] for id_ in each.bulletins) for each in account.figures}
    rows = [
        (f"/counts/{place}", codes.words("types", each.type, lang), str(each.n))
        for place, each in enumerate(content.counts)
    ]
    rows += [
        (
            f"/drug_totals/{place}",
            codes.words("drugs", each.drug, lang),
            _much(session, each.quantity),
        )
        for place, each in enumerate(content.drug_totals)
    ]
    for name, n in (("arrests", content.arrests), ("operations", content.operations)):
        if n is not None:
            rows.append((f"/{name}", codes.words("fields", name, lang), str(n)))
    for place, event in enumerate(content.reconciled):
        name = f"{codes.words('fields', 'reconciled', lang)}: {event.event}"
        said = codes.words("reconciliation", event.reconciliation, lang)
        much = "" if event.quantity is None else f"; {_much(session, event.quantity)}"
        rows.append((f"/reconciled/{place}", name, f"{said}{much}"))
    return [{"figure": name, "value": n, "from": of[at]} for at, name, n in rows]


def _much(session: Session, quantity: Quantity) -> str:
    codes, lang = world.codes(), session.lang
    count = codes.words("count-kinds", quantity.count, lang)
    if quantity.value is None:
        bundles = "bultos" if lang == "es" else "packages"
        return f"{quantity.packages} {bundles}, {count}"
    return f"{values.number(quantity.value)} {quantity.unit}, {count}"


def _show_doubles(session: Session, account: Account) -> None:
    for each in account.doubles:
        first, *others = each.reports
        by = ", ".join(sorted({_BY[session.lang][tie.by] for tie in each.ties}))
        rest = ", ".join(_name(other) for other in others)
        sides = _sides(session, each, account)
        line = (
            f"Contado una vez ({by}): cuenta {_name(first)}; también {rest}.{sides}"
            if session.lang == "es"
            else f"Counted once ({by}): {_name(first)} counts; also {rest}.{sides}"
        )
        click.echo(line, err=True)


def _sides(session: Session, event: Event, account: Account) -> str:
    said = account.sides.get(event.reports[0].id)
    if said is None:
        return ""
    why = account.untold.get(event.reports[0].id)
    untold = f" {_UNTOLD[session.lang][why]}" if why else ""
    return f" {world.codes().words('reconciliation', said, session.lang)}.{untold}"


def _name(report: Report) -> str:
    return f"{report.item.index} {report.item.header.origin}"


def _show_open(session: Session, account: Account) -> None:
    """Say on stderr what an officer has yet to decide, and what is not counted."""
    named = {each.id: each for each in (*account.reports, *account.beside)}
    spanish = session.lang == "es"
    for pair in account.alike:
        one, other = named[pair.one], named[pair.other]
        both = f"{_name(one)}, {_name(other)}"
        apart = "" if pair.km is None else f", {values.number(pair.km)} km"
        how = f"--same {pair.one}={pair.other}"
        line = (
            f"Parecidos, contados como dos: {both}{apart}. Si son uno: {how}"
            if spanish
            else f"Alike, counted as two: {both}{apart}. If they are one: {how}"
        )
        click.echo(line, err=True)
    for each in account.left:
        why, header = _WHY[session.lang][each.why], each.item.header
        begin = "Sin contar" if spanish else "Not counted"
        click.echo(f"{begin}: {each.item.index} {header.origin} {header.id}: {why}", err=True)
    _show_unasked(session, account)


def _show_unasked(session: Session, account: Account) -> None:
    """Say on stderr of how many nobody knows what else bears on them, and why."""
    n, error = len(account.unasked.ids), account.unasked.why
    if not n:
        return
    ids = ", ".join(account.unasked.ids)
    why = "" if error is None else f" {output.problem(error)[session.lang]['what']}"
    line = (
        f"¡Atención! De {n} de lo enviado desde aquí no se sabe si en otra máquina o un colega"
        f" lo corrigió o canceló; si se cuenta, como consta aquí: {ids}.{why}"
        if session.lang == "es"
        else f"Note! Of {n} posted from here it is not known whether they were corrected or"
        f" cancelled from another machine or by a colleague; if counted, as they are"
        f" here: {ids}.{why}"
    )
    click.echo(line, err=True)

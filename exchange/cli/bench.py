"""The verb ``bench``: how fast a node is here, next to the signature library alone."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from exchange.cli import output
from exchange.cli.main import Session, verb

if TYPE_CHECKING:
    from exchange.cli.benching.crossing import Result as Crossed
    from exchange.cli.benching.whole import Result


@click.command()
@click.option("--quick", is_flag=True, help="A few seconds, and rough figures.")
@click.option(
    "--entries",
    type=click.IntRange(20_000, 10_000_000),
    metavar="INTEGER",
    help="Measure a journal of so many entries instead, against ten thousand.",
)
@click.option(
    "--audit",
    type=click.IntRange(20_000, 10_000_000),
    metavar="INTEGER",
    help="Measure an auditor's search over so many made-up entries instead.",
)
@click.option(
    "--verify",
    type=click.IntRange(2_000, 10_000_000),
    metavar="INTEGER",
    help="Measure `audit verify` of a signed journal of so many entries instead.",
)
@click.option("--link", is_flag=True, help="Measure the link between two nodes instead.")
@click.option(
    "--backlog",
    type=click.IntRange(200, 1_000_000),
    metavar="INTEGER",
    help="With --link: how many bulletins wait to cross.",
)
@click.option(
    "--desk",
    type=click.IntRange(100, 1_000_000),
    metavar="INTEGER",
    help="Measure an officer's desk that holds so many made-up bulletins instead.",
)
@verb
def bench(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    quick: bool,
    entries: int | None,
    audit: int | None,
    verify: int | None,
    link: bool,
    backlog: int | None,
    desk: int | None,
) -> None:
    """Measure this machine: bulletins accepted per second, and what each costs.

    Founds an exercise in a temporary folder, starts a node on it, and posts bulletins that
    were sealed and signed beforehand. Ends non-zero when the figures do not count. With
    --entries a journal is grown by synthetic entries: a million take minutes and a gigabyte.
    With --link two nodes run, and one catches up on what the other accepted while it was away.
    """
    if link:
        _linked(session, quick, backlog)
        return
    if entries is not None:
        _grown(session, entries)
        return
    if audit is not None:
        _audited(session, audit)
        return
    if verify is not None:
        _verified(session, verify)
        return
    if desk is not None:
        _desked(session, desk)
        return
    from exchange.cli.benching import whole  # noqa: PLC0415  (loads half of the system)

    plan = whole.QUICK if quick else whole.FULL
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as folder:
        result = whole.run(plan, Path(folder), _Progress(session).told)
    if session.as_json:
        output.show_json(result)
    else:
        _show(session, result)
    if result.void:
        sys.exit(output.EXIT_REFUSED)


def _linked(session: Session, quick: bool, backlog: int | None) -> None:
    """Measure the link between two nodes, and print each figure beside its target."""
    from exchange.cli.benching import crossing  # noqa: PLC0415

    plan = crossing.QUICK if quick else crossing.FULL
    if backlog is not None:
        plan = msgspec.structs.replace(plan, backlog=backlog)
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as folder:
        result = crossing.run(plan, Path(folder), _Progress(session).told)
    if session.as_json:
        output.show_json(result)
    else:
        _show_link(session, result)
    if result.void:
        sys.exit(output.EXIT_REFUSED)


def _show_link(session: Session, result: Crossed) -> None:
    place = 0 if session.lang == "en" else 1
    ratio = result.targets["ratio"]
    session.say(
        f"El otro nodo volvió cuando había {result.backlog} boletines: se aceptaron "
        f"{result.accepted_per_s:.0f} por segundo en lotes y cruzaron "
        f"{result.crossed_per_s:.0f}; razón {ratio.found:.2f}, meta {ratio.floor:g} o más. "
        f"Procesador por boletín: aceptar {result.accepting_cpu_us:.0f} us; cruzar "
        f"{result.home_cpu_us:.0f} us en el suyo y {result.abroad_cpu_us:.0f} us en el otro.",
        f"The other node came back when {result.backlog} bulletins were there: "
        f"{result.accepted_per_s:.0f} a second were accepted in batches, and "
        f"{result.crossed_per_s:.0f} crossed; ratio {ratio.found:.2f}, target {ratio.floor:g} "
        f"or more. Processor time a bulletin: accepting {result.accepting_cpu_us:.0f} us; "
        f"crossing {result.home_cpu_us:.0f} us at home, {result.abroad_cpu_us:.0f} us abroad.",
    )
    rows = [
        {
            "what": _CROSSED[name][place],
            "count": str(spread.count),
            "p50": f"{spread.p50_ms:.0f}",
            "p99": f"{spread.p99_ms:.0f}",
            "max": f"{spread.max_ms:.0f}",
            "target": f"{result.targets[target].floor:.0f}" if target else "",
        }
        for name, spread, target in (
            ("flash", result.flash, "flash_ms"),
            ("cosigned", result.cosigned, "cosigned_ms"),
            ("vouched", result.vouched, ""),
        )
    ]
    heads = {
        "what": "ms",
        "count": ("times", "veces")[place],
        "p50": "p50",
        "p99": "p99",
        "max": ("most", "máximo")[place],
        "target": ("target", "meta")[place],
    }
    output.table(rows, heads)
    session.say(
        f"Ida y vuelta del enlace: {result.round_trip_ms:.1f} ms. Los nodos y el emisor "
        "comparten los núcleos.",
        f"Round trip of the link: {result.round_trip_ms:.1f} ms. Nodes and poster share the "
        "cores.",
    )
    for reason in result.void:
        session.say(f"NO VALE: {reason}", f"VOID: {reason}")


_CROSSED = {
    "flash": ("FLASH, from receipt to the inbox abroad", "FLASH, del recibo al buzón de allá"),
    "cosigned": (
        "checkpoint, from signed to cosigned",
        "punto de control, de firmado a cofirmado",
    ),
    "vouched": (
        "bulletin, from receipt to cosigned",
        "boletín, del recibo a lo cofirmado",
    ),
}


def _grown(session: Session, entries: int) -> None:
    """Measure what a journal of this length costs, and print it beside the limits."""
    from exchange.cli.benching import growth  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as folder:
        told = _Progress(session).told
        grown = growth.run(Path(folder), growth.SMALL, entries, told)
    if session.as_json:
        output.show_json(grown)
        return
    place = 0 if session.lang == "en" else 1
    heads = {
        "step": ("processor time", "tiempo de procesador")[place],
        "small": f"{grown.small} us",
        "large": f"{grown.large} us",
        "ratio": ("times", "veces")[place],
        "limit": ("limit", "límite")[place],
    }
    rows = [
        {
            "step": _STEPS[cost.name][place],
            "small": f"{cost.small_us:.0f}",
            "large": f"{cost.large_us:.0f}",
            "ratio": f"{cost.ratio:.2f}{'' if cost.is_met else ' !'}",
            "limit": "" if cost.limit is None else f"{cost.limit:g}",
        }
        for cost in grown.costs
    ]
    output.table(rows, heads)
    session.say(
        f"Asientos sintéticos, sin cuerpos; archivo de {grown.file_mib:.0f} MiB.",
        f"Synthetic entries, without bodies; a file of {grown.file_mib:.0f} MiB.",
    )


def _audited(session: Session, entries: int) -> None:
    """Measure an index of so many entries, and print what searching it takes."""
    from exchange.cli.benching import audit_shown, auditing  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as folder:
        told = auditing.run(Path(folder), entries, _Progress(session).told)
    audit_shown.searched(session, told)


def _verified(session: Session, entries: int) -> None:
    """Measure verifying a journal of so many entries, and print what it takes."""
    from exchange.cli.benching import audit_shown, verifying  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as folder:
        told = verifying.run(Path(folder), entries, _Progress(session).told)
    audit_shown.verified(session, told)
    if told.void:
        sys.exit(output.EXIT_REFUSED)


def _desked(session: Session, held: int) -> None:
    """Measure a desk that holds so many bulletins, and print what its pages take."""
    from exchange.cli.benching import desking  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as folder:
        told = asyncio.run(desking.run(Path(folder), held, _Progress(session).told))
    if session.as_json:
        output.show_json(told)
        return
    rows = [
        {
            "page": _PAGES[each.name][0 if session.lang == "en" else 1],
            "median": f"{each.median_ms:.1f}",
            "p95": f"{each.p95_ms:.1f}",
            "worst": f"{each.worst_ms:.1f}",
        }
        for each in told.timed
    ]
    spanish = {"page": "página", "median": "mediana, ms", "p95": "p95, ms",
               "worst": "la peor, ms"}  # fmt: skip
    english = {"page": "page", "median": "median, ms", "p95": "p95, ms",
               "worst": "worst, ms"}  # fmt: skip
    output.table(rows, spanish if session.lang == "es" else english)
    session.say(
        f"{told.held} boletines inventados, sin firmas; recibir uno: {told.taken_us:.0f} us.",
        f"{told.held} made-up bulletins, unsigned; taking one in: {told.taken_us:.0f} us.",
    )


_PAGES = {
    "first": ("inbox, first page", "buzón, primera página"),
    "filter": ("inbox, filtered", "buzón, filtrado"),
    "search": ("search, many answers", "búsqueda, muchas respuestas"),
    "search-one": ("search, one answer", "búsqueda, una respuesta"),
    "bulletin": ("a bulletin", "un boletín"),
    "flash": ("FLASH told to an open page", "FLASH avisado a una página abierta"),
}
_STEPS = {
    "append": ("append, an entry in groups of 64", "agregar, un asiento en grupos de 64"),
    "page": ("inbox page of 256", "página de buzón de 256"),
    "empty": ("empty poll", "consulta sin novedad"),
    "opening": ("opening", "abrir"),
    "inclusion": ("proof of inclusion", "prueba de inclusión"),
    "consistency": ("proof of consistency", "prueba de consistencia"),
}


class _Progress:
    """Says on stderr how far it is, where a person looks on."""

    def __init__(self, session: Session) -> None:
        self._is_shown = sys.stderr.isatty() and not session.as_json

    def told(self, what: str) -> None:
        if self._is_shown:
            click.echo(f"\r\x1b[K{what}", nl=False, err=True)


_HEADS = {
    "en": {"run": "run", "per_s": "accepted/s", "of_cap": "of cap", "p50": "p50 ms",
           "p99": "p99 ms", "node": "node us", "poster": "poster us", "idle": "idle",
           "others": "others"},
    "es": {"run": "prueba", "per_s": "aceptados/s", "of_cap": "de cap", "p50": "p50 ms",
           "p99": "p99 ms", "node": "nodo us", "poster": "emisor us", "idle": "libre",
           "others": "ajenos"},
}  # fmt: skip
_HEARD = {
    "en": {"listeners": "streams", "events": "events", "node": "node us an event",
           "own": "listener us", "all": "all have it, ms", "memory": "node MiB"},
    "es": {"listeners": "flujos", "events": "eventos", "node": "nodo us por evento",
           "own": "oyente us", "all": "lo tienen todos, ms", "memory": "nodo MiB"},
}  # fmt: skip
_COSTS = {
    "sign_us": ("sign a header", "firmar un encabezado"),
    "admit_us": ("consider one bulletin", "considerar un boletín"),
    "verify_us": ("  of it, verifying", "  de ello, verificar"),
    "policy_us": (
        "  of it, policy and directory: 5 recipients, 5,000 endpoints, categories",
        "  de ello, reglas y directorio: 5 destinatarios, 5000 puntos de enlace, categorías",
    ),
    "parse_us": ("  of it, strict parsing", "  de ello, lectura estricta"),
    "digest_us": ("  of it, digests", "  de ello, resúmenes"),
    "seal_1_us": ("seal and sign to 1", "sellar y firmar para 1"),
    "seal_5_us": ("seal and sign to 5", "sellar y firmar para 5"),
    "seal_20_us": ("seal and sign to 20", "sellar y firmar para 20"),
    "open_us": ("open", "abrir"),
    "decode_us": ("decode and check a bulletin of 2 KB", "leer y validar un boletín de 2 KB"),
}
_SHARE = ("parsing of verifying", "lectura de verificar")


def _show(session: Session, result: Result) -> None:
    """Print the figures for a person, with what they mean."""
    say, caps = session.say, result.cap
    say(
        f"cap: {caps['per_s']:.0f} verificaciones por segundo de la suite híbrida (biblioteca "
        f"sola, {result.machine['cores']} núcleos; {caps['before']:.0f} antes, "
        f"{caps['after']:.0f} después). Se publicó de a uno con 1, 16 y 64 conexiones y por "
        "lotes de 100; cada respuesta se comprobó contra el diario. us: microsegundos de "
        "procesador por boletín. El emisor comparte los núcleos con el nodo.",
        f"cap: {caps['per_s']:.0f} verifications a second of the hybrid suite (the library "
        f"alone, {result.machine['cores']} cores; {caps['before']:.0f} before, "
        f"{caps['after']:.0f} after). Posted one by one over 1, 16 and 64 connections and in "
        "batches of 100; each answer was compared with the journal. us: microseconds of "
        "processor time a bulletin. The poster shares the cores with the node.",
    )
    rows = [
        {
            "run": run.name,
            "per_s": f"{run.per_s:.0f}",
            "of_cap": f"{result.of_cap[run.name]:.2f}{_floor(run.name, result)}",
            "p50": f"{run.p50_ms:.1f}{_floor(f'{run.name}_ms', result)}",
            "p99": f"{run.p99_ms:.1f}",
            "node": f"{run.node_cpu_us:.0f}",
            "poster": f"{run.poster_cpu_us:.0f}",
            "idle": f"{run.idle:.0%}",
            "others": f"{run.others:.0%}",
        }
        for run in result.runs
    ]
    output.table(rows, _HEADS[session.lang])
    _show_heard(session, result)
    _show_costs(session, result)
    _show_rest(session, result)


def _show_costs(session: Session, result: Result) -> None:
    place = 0 if session.lang == "en" else 1
    costs = [
        {
            "step": words[place],
            **{
                suite: f"{of[name]:.0f}{_floor(name, result)}"
                for suite, of in result.costs.items()
            },
        }
        for name, words in _COSTS.items()
    ]
    share = {suite: f"{of['parse_share']:.1%}" for suite, of in result.costs.items()}
    costs.append({"step": _SHARE[place], **share})
    heads = {suite: f"{suite} us" for suite in result.costs}
    output.table(costs, {"step": "one core" if place == 0 else "un núcleo", **heads})


def _show_rest(session: Session, result: Result) -> None:
    """Print memory, starting, what the kill at the end left, and what voids the run."""
    say, mark = session.say, _floor("idle_mib", result)
    say(
        "Memoria del nodo con sus procesos (lo que comparten, una vez): "
        f"{result.idle_mib:.0f} MiB en reposo{mark}, {result.busy_mib:.0f} MiB tras la carga.",
        "Memory of the node with its processes (what they share, once): "
        f"{result.idle_mib:.0f} MiB idle{mark}, {result.busy_mib:.0f} MiB after the load.",
    )
    mark, journal = _floor("subscribers_mib", result), result.journal
    say(
        f"{result.subscribers_mib:.0f} MiB{mark} con {result.subscribers} flujos abiertos que "
        f"nada oyen. Un fsync: {result.fsync_us / 1e3:.2f} ms.",
        f"{result.subscribers_mib:.0f} MiB{mark} with {result.subscribers} streams open that "
        f"hear nothing. One fsync: {result.fsync_us / 1e3:.2f} ms.",
    )
    say(
        f"Muerto por SIGKILL con {journal['unanswered']} en curso, y reabierto: se buscó cada "
        f"uno de los {journal['acknowledged']} recibos en el diario; de los en curso hay "
        f"{journal['recorded']}.",
        f"Killed by SIGKILL with {journal['unanswered']} under way, and reopened: each of "
        f"{journal['acknowledged']} receipts was looked up in the journal, and of those under "
        f"way {journal['recorded']} are in it.",
    )
    _show_started(session, result)
    for reason in result.void:
        say(f"NO VALE: {reason}", f"VOID: {reason}")


def _show_started(session: Session, result: Result) -> None:
    """Print how soon a node with a large directory is ready."""
    of, mark = result.started, _floor("start_s", result)
    if of is None:
        return
    session.say(
        f"Con {of.endpoints} puntos de enlace en el directorio ({of.documents_mib:.1f} MiB de "
        f"documentos) el nodo está listo en {of.again_s:.1f} s{mark}, {of.again_cpu_s:.1f} s "
        f"de procesador; la primera vez, que los verifica, en {of.first_s:.1f} s.",
        f"With {of.endpoints} endpoints in the directory ({of.documents_mib:.1f} MiB of "
        f"documents) the node is ready in {of.again_s:.1f} s{mark}, {of.again_cpu_s:.1f} s of "
        f"processor time; the first time, when it verifies them, in {of.first_s:.1f} s.",
    )


def _show_heard(session: Session, result: Result) -> None:
    rows = [
        {
            "listeners": str(heard.listeners),
            "events": str(heard.events),
            "node": f"{heard.node_event_us:.0f}",
            "own": f"{heard.listener_event_us:.0f}",
            "all": f"{heard.all_ms:.1f}",
            "memory": f"{heard.memory_mib:.0f}",
        }
        for heard in result.heard
    ]
    if rows:
        output.table(rows, _HEARD[session.lang])


def _floor(name: str, result: Result) -> str:
    """Mark a figure that does not reach its floor."""
    floor = result.floors.get(name)
    if floor is None or floor.is_met:
        return ""
    return f" ({'<' if floor.found < floor.floor else '>'} {floor.floor:.3g})"

"""Print what the auditor's side costs: searching a long journal, and verifying one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.cli import output

if TYPE_CHECKING:
    from exchange.cli.benching.auditing import Audited
    from exchange.cli.benching.verifying import Verified
    from exchange.cli.main import Session


def searched(session: Session, told: Audited) -> None:
    """Print what searching an index takes."""
    if session.as_json:
        output.show_json(told)
        return
    rows = [
        {
            "query": each.name,
            "found": str(each.found),
            "first": f"{each.first_ms:.1f}",
            "median": f"{each.median_ms:.1f}",
            "worst": f"{each.worst_ms:.1f}",
        }
        for each in told.queries
    ]
    spanish = {"query": "consulta", "found": "hallados", "first": "la primera, ms",
               "median": "mediana, ms", "worst": "la peor, ms"}  # fmt: skip
    english = {"query": "query", "found": "found", "first": "first, ms",
               "median": "median, ms", "worst": "worst, ms"}  # fmt: skip
    output.table(rows, spanish if session.lang == "es" else english)
    session.say(
        f"{told.entries} asientos inventados, sin firmas; indexar: {told.fold_us:.0f} us cada"
        f" uno, {told.index_mib:.0f} MiB.",
        f"{told.entries} made-up entries, unsigned; indexing: {told.fold_us:.0f} us each,"
        f" {told.index_mib:.0f} MiB.",
    )


_VERIFIED = {
    "whole": ("the whole", "entera"),
    "again": ("again, nothing new", "otra vez, nada nuevo"),
    "grown": ("again, with what is new", "otra vez, con lo nuevo"),
}


def verified(session: Session, told: Verified) -> None:
    """Print what verifying a mirror takes."""
    if session.as_json:
        output.show_json(told)
        return
    rows = [
        {
            "what": _VERIFIED[each.name][0 if session.lang == "en" else 1],
            "new": str(each.new),
            "seconds": f"{each.seconds:.1f}",
            "cpu": f"{each.cpu_s:.1f}",
            "each": f"{each.cpu_us:.0f}" if each.new else "",
            "memory": f"{each.memory_mib:.0f}",
        }
        for each in told.costs
    ]
    spanish = {"what": "verificación", "new": "asientos nuevos", "seconds": "por el reloj, s",
               "cpu": "de procesador, s", "each": "cada uno, us",
               "memory": "un proceso, MiB"}  # fmt: skip
    english = {"what": "verification", "new": "new entries", "seconds": "by the clock, s",
               "cpu": "of processors, s", "each": "each, us",
               "memory": "one process, MiB"}  # fmt: skip
    output.table(rows, spanish if session.lang == "es" else english)
    whole, again, _ = told.costs
    million_s = (whole.seconds - again.seconds) / whole.new * 1e6
    session.say(
        f"Boletines y sus acuses, firmados; copia de {told.mirror_mib:.0f} MiB. Aparte de lo"
        f" que toma sin nada nuevo, a este paso un millón de asientos: {million_s:.0f} s.",
        f"Bulletins and their acknowledgements, signed; a mirror of {told.mirror_mib:.0f} MiB."
        f" Beside what nothing new takes, at this pace a million entries: {million_s:.0f} s.",
    )
    for reason in told.void:
        session.say(f"NO VALE: {reason}", f"VOID: {reason}")

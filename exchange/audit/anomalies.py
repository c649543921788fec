"""What an auditor should look at: rules in plain sentences, each with what it was found in.

An anomaly is no verdict: ``verify`` says what was tampered with, these say what is unusual.
All times are those of the journals (``now_ms`` is the newest entry's), so that the same mirrors
give the same anomalies whenever they are asked.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from exchange.audit import readers, suspicions
from exchange.audit.suspicions import Anomaly, Look, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exchange.audit.index import Index
    from exchange.model.codes import Lang

# Of one rule in one journal the newest so many are told; a number says how many more there are.
MOST: Final = 100


class Rule(NamedTuple):
    """A rule: what finds it, and its sentence, filled in with the facts of each find."""

    find: Callable[[Look], Iterator[Anomaly]]
    en: str
    es: str


RULES: Final[dict[str, Rule]] = {
    "gap": Rule(
        suspicions.gap,
        "The journal of {journal} has nothing for {hours} h before entry {entry}.",
        "El diario de {journal} no tiene nada durante {hours} h antes del asiento {entry}.",
    ),
    "withheld": Rule(
        suspicions.withheld,
        "{journal} owed entry {entry} to the other nation, whose journal does not have it"
        " after {hours} h.",
        "{journal} debía el asiento {entry} a la otra nación, cuyo diario no lo tiene tras"
        " {hours} h.",
    ),
    "slow-witness": Rule(
        suspicions.slow_witness,
        "No quorum of witnesses vouched for the journal of {journal} for {hours} h before"
        " entry {entry}.",
        "Ningún quórum de testigos respaldó el diario de {journal} durante {hours} h antes del"
        " asiento {entry}.",
    ),
    "clock-skew": Rule(
        suspicions.clock_skew,
        "{journal} took in entry {entry} {seconds} s before {home} says it was recorded there.",
        "{journal} recibió el asiento {entry} {seconds} s antes de cuando {home} dice que lo"
        " registró.",
    ),
    "unacknowledged-flash": Rule(
        suspicions.unacknowledged,
        "FLASH {id} was not seen to by {endpoint} within {minutes} min.",
        "{endpoint} no atendió FLASH {id} en {minutes} min.",
    ),
    "refusal-burst": Rule(
        suspicions.refusal_burst,
        "{endpoint} was refused {count} times within {minutes} min at {journal}.",
        "A {endpoint} se le rechazó {count} veces en {minutes} min en {journal}.",
    ),
    "key-outside-validity": Rule(
        suspicions.bad_keys,
        "{endpoint} used a key that was not valid, at entry {entry} of {journal} ({code}).",
        "{endpoint} usó una clave no vigente, en el asiento {entry} de {journal} ({code}).",
    ),
    "policy-reverted": Rule(
        suspicions.reverted,
        "The arrangement was changed by entry {first} of {journal}, and changed back by entry"
        " {entry}.",
        "El arreglo se cambió con el asiento {first} de {journal} y se deshizo con el asiento"
        " {entry}.",
    ),
    "one-sided": Rule(
        suspicions.one_sided,
        "In {days} days {count} bulletins crossed from {giver} and none from {taker}.",
        "En {days} días cruzaron {count} boletines de {giver} y ninguno de {taker}.",
    ),
    "never-purged": Rule(
        suspicions.never_purged,
        "The retention of entry {entry} of {journal} ended {days} days ago, and no purge was"
        " ordered.",
        "La conservación del asiento {entry} de {journal} venció hace {days} días y no se"
        " ordenó purga.",
    ),
    "purge-without-order": Rule(
        suspicions.unordered,
        "{who} says in entry {entry} of {journal} that it destroyed what no order names.",
        "{who} dice en el asiento {entry} de {journal} que destruyó lo que ninguna orden"
        " nombra.",
    ),
    "bulk-read": Rule(
        readers.bulk_read,
        "The auditor {endpoint} was shown {count} entries of {journal} within {minutes} min.",
        "Al auditor {endpoint} se le mostraron {count} asientos de {journal} en {minutes} min.",
    ),
    "after-hours-read": Rule(
        readers.after_hours,
        "The auditor {endpoint} was shown {count} entries of {journal} outside of office hours"
        " (Monday to Friday, {opens}:00 to {closes}:00 UTC).",
        "Al auditor {endpoint} se le mostraron {count} asientos de {journal} fuera del horario"
        " de oficina (lunes a viernes, de {opens}:00 a {closes}:00 UTC).",
    ),
}


class Told(msgspec.Struct, frozen=True):
    """One rule's finds: of each journal the newest ``MOST``, and how many there are in all."""

    rule: str
    count: int
    found: list[Anomaly]


def find(
    index: Index,
    settings: Settings | None = None,
    rules: Sequence[str] = (),
    journals: Sequence[str] = (),
) -> list[Told]:
    """Return what each rule finds, at most so many: ``every`` has all.

    Args:
        index: of one or both nodes' mirrors. Rules that compare both find nothing in one.
        settings: from when on something is unusual.
        rules: names of those to be asked; empty: all.
        journals: nodes to be looked at; empty: all.

    Returns:
        Rules that found something, in the order of ``RULES``; finds by journal and time.
    """
    counts: dict[str, int] = {}
    newest: dict[str, dict[str, list[tuple[int, int, Anomaly]]]] = {}
    for each in every(index, settings, rules, journals):
        counts[each.rule] = number = counts.get(each.rule, 0) + 1
        kept = newest.setdefault(each.rule, {}).setdefault(each.journal, [])
        heappush(kept, (each.at_ms, number, each))
        if len(kept) > MOST:
            heappop(kept)
    return [
        Told(
            rule,
            counts[rule],
            [each for _, kept in sorted(by_journal.items()) for *_, each in sorted(kept)],
        )
        for rule, by_journal in newest.items()
    ]


def every(
    index: Index,
    settings: Settings | None = None,
    rules: Sequence[str] = (),
    journals: Sequence[str] = (),
) -> Iterator[Anomaly]:
    """Yield all that each rule finds, in the order of ``RULES``; arguments as of ``find``."""
    look = Look(index, settings or Settings(), tuple(journals))
    for name, rule in RULES.items():
        if not rules or name in rules:
            for each in rule.find(look):
                yield msgspec.structs.replace(each, rule=name)


def sentence(anomaly: Anomaly, lang: Lang) -> str:
    """Return what was found, as a sentence."""
    rule = RULES[anomaly.rule]
    return (rule.es if lang == "es" else rule.en).format(**anomaly.facts)

"""What ``audit log --purged`` lists: what was erased, when, by which rule; who attested it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from exchange.cli import output, world
from exchange.cli.times import zulu, zulu_ms
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exchange.cli.main import Session

_HEADS = {
    "en": {"index": "order", "ordered": "ordered", "of": "entry", "cause": "why",
           "rule": "rule", "done": "done", "attested": "attested", "open": "not attested"},
    "es": {"index": "orden", "ordered": "ordenada", "of": "asiento", "cause": "por qué",
           "rule": "regla", "done": "hecha", "attested": "atestiguado", "open": "pendiente"},
}  # fmt: skip


def found(journal: Iterable[tuple[int, bytes]]) -> list[dict[str, Any]]:
    """Return what is told of each order among these entries, in order.

    ``agreed`` is the trust entry up to which the arrangement was read that has the rule;
    ``digests`` are those of which no bytes are kept at the node, ``attested`` who said so of
    itself, and when.
    """
    rows: dict[int, dict[str, Any]] = {}
    by_bulletin: dict[int, int] = {}
    for index, raw in journal:
        entry = entries.decode(raw)
        match entry.facts:
            case entries.PurgeOrdered() as facts:
                rows[index] = _row(index, facts)
                by_bulletin[facts.of] = index
            case entries.Purged() as facts:
                for each in facts.orders:
                    if each in rows:
                        rows[each] |= {"done": zulu_ms(facts.taken_ms), "done_index": index}
                        rows[each]["digests"] = facts.digests
            case entries.Acknowledged() as facts if facts.of in by_bulletin:
                _attest(rows[by_bulletin[facts.of]], entry, facts)
            case _:
                pass
    return list(rows.values())


def _row(index: int, facts: entries.PurgeOrdered) -> dict[str, Any]:
    # The first is the author, of whose own machine nothing is attested.
    holders = [each.endpoint for each in facts.owed[1:]]
    return {
        "index": index,
        "ordered": zulu_ms(facts.taken_ms),
        "of": facts.of,
        "grants": facts.grants,
        "cause": facts.cause,
        "rule": facts.rule,
        "agreed": facts.agreed,
        "done": None,
        "done_index": None,
        "digests": [],
        "attested": [],
        "open": holders,
    }


def _attest(row: dict[str, Any], entry: entries.Entry, facts: entries.Acknowledged) -> None:
    from exchange.model import objects  # noqa: PLC0415
    from exchange.seal import jws  # noqa: PLC0415

    payload = jws.read(entry.object, objects.MAX_OBJECT_BYTES).payload
    ack = objects.decode_acknowledgement(payload)
    if ack.outcome == "purged" and ack.endpoint in row["open"]:
        row["open"].remove(ack.endpoint)
        at = {"at": zulu(ack.at), "taken": zulu_ms(facts.taken_ms)}
        row["attested"].append({"endpoint": ack.endpoint, "officer": ack.officer, **at})


def show(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Print them: a line each."""
    if session.as_json:
        output.show_json({"purged": rows})
        return
    if not rows:
        session.say("No se ordenó ninguna purga.", "No purge was ordered.")
        return
    told = [
        {
            **row,
            "cause": world.codes().words("purge-causes", row["cause"], session.lang),
            "rule": f"{row['rule']} ({row['agreed']})" if row["rule"] else "",
            "done": row["done"] or "",
            "attested": " ".join(each["endpoint"] for each in row["attested"]),
            "open": " ".join(row["open"]),
        }
        for row in rows
    ]
    output.table(told, _HEADS[session.lang])
    click.echo()
    session.say(
        "Entre paréntesis, el asiento de confianza hasta el que se leyó el arreglo.",
        "In brackets, the trust entry up to which the arrangement was read.",
    )

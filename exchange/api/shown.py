"""Who audits is audited: what the journal's routes show to an auditor is noted.

Not what every endpoint is given alike: checkpoints, trust documents, its own inbox, receipts
and heads. It is noted before it is sent: whoever hangs up may have got it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.broker.audited import is_bookkeeping
from exchange.journal.tiles import TILE_WIDTH
from exchange.model.shown import Shown, ShownAs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.model.view import Standing
    from exchange.node.ports import Row
    from exchange.node.served import Served

# The routes that note, and as what.
NOTED: Final[Mapping[tuple[str, str], ShownAs]] = {
    ("GET", "/v1/journal"): "entries",
    ("GET", "/v1/proof"): "proofs",
    ("GET", "/v1/tile/{path}"): "tiles",
}


def entries(node: Served, standing: Standing, rows: Sequence[Row]) -> None:
    """Note a page of entries, unless all of it is bookkeeping: an auditor follows on that."""
    if not all(is_bookkeeping(row.entry) for row in rows):
        first, last = rows[0].index, rows[-1].index
        _note(node, standing, Shown("entries", 1, first, last, len(rows)))


def proof(node: Served, standing: Standing, row: Row) -> None:
    """Note a proof of an entry that is more than bookkeeping."""
    if not is_bookkeeping(row.entry):
        _note(node, standing, Shown("proofs", 1, row.index, row.index, 1))


def tile(node: Served, standing: Standing, level: int, number: int, width: int) -> None:
    """Note a tile, by the entries that are under its hashes."""
    each = TILE_WIDTH**level
    first = number * TILE_WIDTH * each
    _note(node, standing, Shown("tiles", 1, first, first + width * each - 1, width))


def _note(node: Served, standing: Standing, shown: Shown) -> None:
    if "auditor" in standing.endpoint.roles:
        node.reads.add(standing.endpoint.id, shown)

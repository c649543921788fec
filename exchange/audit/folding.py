"""Trust documents of a journal, folded without the entries between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker import establishing, peering
from exchange.model import entry as entries
from exchange.model.homes import Received

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.broker.replay import Replayer
    from exchange.model.entry import Entry


def establish(
    replayer: Replayer, index: int, entry: Entry, document: Callable[[str], bytes | None]
) -> None:
    """Put a trust entry in force with a replayer; of any other entry, do nothing.

    Raises:
        Refusal: its document is not there, or does not follow from those before it.
    """
    facts = entry.facts
    if isinstance(facts, entries.Trust):
        if not replayer.view.anchor:
            replayer.take_anchor(facts.document.digest)
        raw, now = document(facts.document.digest) or b"", facts.taken_ms // 1000
        found = establishing.trust_document(raw, replayer.view, now, is_recorded=True)
        replayer.view = replayer.view.after(found.change, index)
    elif isinstance(facts, entries.TrustReceived):
        there = entries.decode(entry.at_home + b"\n").facts
        raw = document(facts.document.digest) or b""
        if isinstance(there, entries.Trust):
            heard = peering.overheard(there, facts.home, raw, replayer.homes)
            received = Received(facts.home, heard.change, heard.taken_ms)
            replayer.homes.follow([received])

"""Trust documents of a journal, folded without the entries between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker import establishing, peering
from exchange.errors import Code, Refusal
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.homes import Received
from exchange.model.identity import digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.broker.replay import Replayer


def establish(
    replayer: Replayer, index: int, raw_entry: bytes, document: Callable[[str], bytes | None]
) -> None:
    """Put a trust entry in force with a replayer; of any other entry, do nothing.

    Raises:
        Refusal: it is no entry; or its document is not there, is another, or does not follow
            from those before it.
    """
    entry = entries.decode(raw_entry)
    facts = entry.facts
    if isinstance(facts, entries.Trust):
        if not replayer.view.anchor:
            replayer.take_anchor(facts.document.digest)
        raw, now = document(facts.document.digest) or b"", facts.taken_ms // 1000
        if digest(raw) != facts.document.digest:
            raise Refusal(Code.BAD_PROOF, "/document", found=index)
        found = establishing.trust_document(raw, replayer.view, now, is_recorded=True)
        replayer.view = replayer.view.after(found.change, index)
        replayer.link(index, leaf_hash(raw_entry))
    elif isinstance(facts, entries.TrustReceived):
        there = entries.decode(entry.at_home + b"\n").facts
        raw = document(facts.document.digest) or b""
        if isinstance(there, entries.Trust):
            heard = peering.overheard(there, facts.home, raw, replayer.homes)
            received = Received(facts.home, heard.change, heard.taken_ms)
            replayer.homes.follow([received])
            replayer.link(index, leaf_hash(raw_entry))

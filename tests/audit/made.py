"""Journals of a few made-up entries, unsigned: for what only looks at rows. EXERCISE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from exchange.audit.index import Index
from exchange.audit.verify import Stored
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.header import Blob
from exchange.model.identity import digest, member_of
from exchange.model.shown import Shown
from tests.builders import AUDIT, NOW_MS, OPS, WATCH, new_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Made:
    """One node's journal; ``after_ms`` is since the entry before."""

    def __init__(self, node: str = "pa") -> None:
        self.node, self.ms = node, NOW_MS
        self.entries: list[bytes] = []
        self.blobs: dict[str, bytes] = {}
        self._tree = MemoryHashes()
        self.add(entries.EpochOpened, node=node, epoch=1)

    def add(
        self,
        kind: type,
        said: dict[str, Any] | bytes | None = None,
        after_ms: int = 1000,
        home: tuple[str, int, int] | None = None,
        **facts: Any,
    ) -> int:
        """Add an entry of what is ``said``, or was signed.

        ``home`` is a node, an index there, and when it was taken there.
        """
        self.ms += after_ms
        at_home = b""
        if home is not None:
            facts["home"] = entries.Home(home[0], home[1])
            at_home = b'{"taken_ms":%d}' % home[2]
        made = kind(salt=b64(bytes(16)), taken_ms=self.ms, view=-1, **facts)
        signed = said if isinstance(said, bytes) else b""
        if isinstance(said, dict):
            payload = b64(msgspec.json.encode(said))
            signed = msgspec.json.encode({"payload": payload, "signatures": []})
        self.entries.append(entries.encode(made, signed, at_home))
        return len(self.entries) - 1

    def bulletin(self, by: str = OPS, to: Sequence[str] = (WATCH,), **given: Any) -> str:
        """Add a bulletin, and return its id; ``given`` are of the entry, or of the header."""
        common = {name: given.pop(name) for name in ("after_ms", "home") if name in given}
        identity = new_id()
        said = {
            "id": identity, "origin": member_of(by), "endpoint": by, "type": "voi",
            "verb": "new", "precedence": "routine", "to": list(to), "refs": [],
            "retain_until": self.ms // 1000 + 365 * 86_400, **given,
        }  # fmt: skip
        name = digest(identity.encode())
        self.add(
            entries.Accepted, said, digest=name, blobs=[Blob(name, 9)], wraps=[], owed=[],
            late=False, **common,
        )  # fmt: skip
        return identity

    def ack(
        self, of: int, identity: str, by: str, outcome: str = "opened", **given: Any
    ) -> int:
        """Add an acknowledgement."""
        subject = {"endpoint": OPS, "id": identity, "header_digest": digest(b"")}
        said = {"endpoint": by, "origin": member_of(by), "of": subject, "outcome": outcome}
        return self.add(
            entries.Acknowledged, said, digest=digest(b"a"), of=of, owed=[], **given
        )

    def refused(self, by: str = OPS, code: str = "unknown-feed", **given: Any) -> int:
        return self.add(
            entries.Refused, caller=by, digest=digest(b"r"), size=9, code=code, at="", **given
        )

    def checkpoint(self, cosigned: int = 0, **given: Any) -> int:
        told: dict[str, Any] = {}
        if cosigned:
            told["cosigned"] = entries.Cosigned(cosigned, [])
        size = len(self.entries)
        return self.add(entries.Checkpointed, size=size, note="", **told, **given)

    def shown(self, count: int, by: str = AUDIT, after_ms: int = 60_000) -> int:
        """Note what an auditor was shown in the time before."""
        self.ms += after_ms
        reads = [Shown("entries", 1, 0, 0, count), Shown("tiles", 1, 0, 0, 10**6)]
        return self.add(
            entries.AuditRead, after_ms=0, auditor=by, since_ms=self.ms - 60_000,
            until_ms=self.ms, reads=reads,
        )  # fmt: skip

    def trust(self, documents: Sequence[bytes]) -> None:
        """Add trust documents, in order."""
        for position, raw in enumerate(documents):
            named = Blob(digest(raw), len(raw))
            self.blobs[named.digest] = raw
            self.add(
                entries.Trust, name="root", version=1, position=position, document=named,
                after_ms=0,
            )  # fmt: skip

    def order(self, of: int, **given: Any) -> int:
        return self.add(
            entries.PurgeOrdered, of=of, grants=[], cause="header", rule=None, agreed=-1,
            owed=[], **given,
        )  # fmt: skip

    # -- as a source -----------------------------------------------------------------------

    def size(self) -> int:
        return len(self.entries)

    def read(self, first: int, limit: int) -> list[Stored]:
        kept = self.entries[first : first + limit]
        return [Stored(index, raw, b"") for index, raw in enumerate(kept, first)]

    def blob(self, digest: str) -> bytes | None:
        return self.blobs.get(digest)

    def kinds(self, first: int, limit: int) -> list[str]:
        kept = self.entries[first : first + limit]
        return [entries.kind_of(entries.decode(raw).facts) for raw in kept]

    def hashes(self, level: int, first: int, count: int) -> bytes:
        kept = self.entries
        if self._tree.frontier.size != len(kept):
            self._tree = MemoryHashes([leaf_hash(each) for each in kept])
        return self._tree.read(level, first, count)


def index_of(path: Path, *journals: Made) -> Index:
    index = Index.open(path)
    for journal in journals:
        index.fold(journal, lambda *_: None)
    return index

"""What a checkpoint of so many entries needs: its node's keys then, and its witnesses then.

Keys are handed over, and witnesses replaced, by trust entries: each divides the journal. A
checkpoint is held to what was in force before the entry that its size names, whenever it is
looked at: old proofs stay good, and what came after is signed by nobody's old keys. Everybody
who verifies a checkpoint of a node asks here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Refusal
from exchange.journal import bundle, quorum
from exchange.journal import checkpoint as c2sp
from exchange.journal.logkeys import PREFIX, log_keys, origin_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.journal.bundle import TlogProof
    from exchange.journal.note import VerifierKey
    from exchange.journal.quorum import Policy
    from exchange.model.view import View


class Terms(NamedTuple):
    """Who must have signed: the log's keys, all of them; and the witnesses, None: nobody."""

    origin: str
    log: Sequence[VerifierKey]
    policy: Policy | None

    def verify(self, note: bytes) -> c2sp.Verified:
        """Return a checkpoint that its log signed; cosignatures that are there hold as well.

        Raises:
            Refusal: ``bad-checkpoint``.
        """
        return c2sp.verify(note, origin=self.origin, required=self.log, known=self._known)

    def prove(self, proof: TlogProof, leaf: bytes) -> c2sp.Verified:
        """Return the checkpoint that an entry is proved to be under, as ``verify`` does.

        Raises:
            Refusal: ``bad-checkpoint`` or ``bad-proof``.
        """
        origin, log, known = self.origin, self.log, self._known
        return bundle.verify_proof(proof, leaf, origin=origin, required=log, known=known)

    @property
    def _known(self) -> list[VerifierKey]:
        return [each.key for each in self.policy.witnesses] if self.policy else []

    def times(self, found: c2sp.Verified) -> dict[str, int]:
        """Return which witnesses cosigned, and when in seconds UTC."""
        witnesses = self.policy.witnesses if self.policy else ()
        times = {each.name: found.at(each.key) for each in witnesses}
        return {name: time for name, time in times.items() if time}

    def dated(self, note: bytes) -> int:
        """Return of when a checkpoint counts: of its quorum, else of its log; 0 of neither.

        Raises:
            Refusal: ``bad-checkpoint``.
        """
        found = self.verify(note)
        return (self.met_at(found) if self.policy else found.at(self.log[-1])) or 0

    def met_at(self, found: c2sp.Verified) -> int | None:
        """Return as of when a quorum vouches; None where it does not, or none must."""
        return self.policy.met_at(self.times(found)) if self.policy else None


def of(note: bytes, node: str, view: View) -> Terms:
    """Return what a checkpoint of a node's journal needs, by its size; nothing is verified.

    Args:
        note: the checkpoint.
        node: whose journal it is to be of.
        view: the newest there is.

    Raises:
        Refusal: ``bad-checkpoint``: it is none, or there is no such node.
    """
    size = c2sp.parse(note).size
    listed, agreed = view.node_before(node, size), view.agreed_before(size)
    if listed is None:
        raise Refusal(Code.BAD_CHECKPOINT, "/note", name=node)
    return Terms(origin_of(node), log_keys(listed), quorum.of(agreed) if agreed else None)


def node_of(note: bytes) -> str:
    """Return the node of whose journal a checkpoint says that it is.

    Raises:
        Refusal: ``bad-checkpoint``: it is none, or of no node.
    """
    origin = c2sp.parse(note).origin
    if not origin.startswith(PREFIX):
        raise Refusal(Code.BAD_CHECKPOINT, "/note", name=origin[:64])
    return origin.removeprefix(PREFIX)

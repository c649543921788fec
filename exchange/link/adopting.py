"""Have the other nation's trust documents take effect here as well, as far as they hold here.

Whoever brings a document does not matter, who signed it does: each is judged under our own
view. One that does not hold yet is tried again once anything changed, here or there; while it
is not in force here, what came after it (a revocation, say) is not either, which is an alarm.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from exchange.broker import establishing, intake
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exchange.model.view import View
    from exchange.node.node import Node
    from exchange.node.served import Answer

_READ: Final = 256
# A node's own: they say what is in force there, and nowhere else.
_ITS_OWN: Final = ("snapshots/", "timestamps/")

_log = structlog.get_logger("exchange.link")


class Behind(NamedTuple):
    """A document that is in force there in a newer version than here; why, if one was tried."""

    name: str
    here: int
    there: int
    code: str = ""


class Adopter:
    """Follows one other node's documents."""

    def __init__(self, node: Node, far: str) -> None:
        """Begin with nothing tried."""
        self._node = node
        self.far = far
        # What is in force there and not here, by name.
        self.behind: list[Behind] = []
        # Under which entries, there and here, all was tried; up to which one all is in force.
        self._tried = (-1, -1)
        self._through = -1

    async def run(self) -> None:
        """Try what is not in force here yet; cheap where nothing changed since.

        Raises:
            Fault: our node cannot write, or a document is not here as it should be.
        """
        node = self._node
        there = node.writer.homes.newest(self.far)
        if self._tried == (there.index, node.view.index):
            return
        why: dict[str, str] = {}
        begun, is_settled, last = node.view.index, True, self._through
        if _behind(there, node.view):
            async for index, facts in self._received():
                last = index
                if facts.version == node.view.version_of(facts.name) + 1:
                    is_settled &= await self._try(facts, why)
        self.behind = [
            each._replace(code=why.get(each.name, "")) for each in _behind(there, node.view)
        ]
        if not self.behind:
            self._through = last
        # Where anything took effect, what was refused before it in this pass is tried again.
        is_settled &= node.view.index == begun
        self._tried = (there.index, node.view.index) if is_settled else (-1, -1)

    async def _received(self) -> AsyncIterator[tuple[int, entries.TrustReceived]]:
        inbox, after = entries.trust_inbox(self.far), self._through
        while rows := await self._node.store.inbox(inbox, after, _READ):
            for row in rows:
                facts, after = entries.decode(row.entry).facts, row.index
                if isinstance(facts, entries.TrustReceived) and not _is_its_own(facts.name):
                    yield row.index, facts

    async def _try(self, facts: entries.TrustReceived, why: dict[str, str]) -> bool:
        """Have a document take effect; return False if that is to be tried again at once."""
        raw = await self._node.store.blob(facts.document.digest)
        if raw is None:
            # A trust document is never purged.
            raise Fault(Code.STORE_FAILED, name=facts.name)
        view, now_ms = self._node.view, self._node.writer.stamp()
        try:
            established = await asyncio.to_thread(
                establishing.trust_document, raw, view, now_ms // 1000, is_recorded=True
            )
        except Refusal as refusal:
            self._note(facts, refusal, why)
            return True
        answer = await self._establish(
            intake.Arrival("", raw, b"", now_ms),
            intake.Considered(established, view.index, now_ms),
        )
        if answer.refusal is not None:
            self._note(facts, answer.refusal, why)
        return answer.refusal is None

    async def _establish(
        self, arrival: intake.Arrival, considered: intake.Considered
    ) -> Answer:
        answered: asyncio.Future[Answer | Fault] = asyncio.get_running_loop().create_future()
        self._node.writer.take_judged(arrival, considered, answered.set_result, is_final=False)
        answer = await answered
        if isinstance(answer, Fault):
            raise answer
        return answer

    def _note(
        self, facts: entries.TrustReceived, refusal: Refusal, why: dict[str, str]
    ) -> None:
        why[facts.name] = refusal.code.value
        _log.warning(
            "not-adopted", name=facts.name, version=facts.version, code=refusal.code.value
        )


def _is_its_own(name: str) -> bool:
    return name.startswith(_ITS_OWN)


def _behind(there: View, here: View) -> list[Behind]:
    names = [name for name in there.files if not _is_its_own(name)]
    names += [f"subscriptions/{endpoint}" for endpoint in there.subscriptions]
    told = [Behind(name, here.version_of(name), there.version_of(name)) for name in names]
    return [each for each in told if each.here < each.there]

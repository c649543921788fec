"""What inbox items name and do not hold: sealed bodies, wrapped keys, the entries of grants.

Fetched once, and then kept as they came: sealed to this endpoint, and sealed again at rest.
Not opened: what is on disk then opens with the endpoint's own keys alone, and no more once one
of them is destroyed. Each goes when the bulletin's time to be retained is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from exchange.client import losses
from exchange.errors import Code, Fault, Refusal
from exchange.model import wire
from exchange.model.identity import digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exchange.client.cabinet import Cabinet
    from exchange.client.transport import Transport

T = TypeVar("T")

# Between attempts while too much of ours is under way (seconds): downloads end.
_PAUSES_S: Final = (1.0, 2.0, 4.0)

BODY, ENTRY = "body", "granted"
# So many may wait to be written: lost in a kill, they are fetched again.
_AT_ONCE = 64


class Bodies:
    """Gives out what items name: from the cabinet, else from the node."""

    def __init__(
        self,
        cabinet: Cabinet,
        transport: Transport,
        realm: str,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        """Keep them in a cabinet.

        Args:
            cabinet: the endpoint's.
            transport: its session.
            realm: names node and anchor.
            pause: waits for so many seconds, between two attempts.
        """
        self._pause = pause
        # While it is False the node is not asked: what is here is enough, or it is not.
        self.may_ask = True
        self._cabinet = cabinet
        self._transport = transport
        self._realm = realm
        self._fresh: dict[tuple[str, str], tuple[bytes, int]] = {}

    async def blob(self, named: str, index: int, until: int) -> bytes:
        """Return a blob.

        Args:
            named: its digest.
            index: of an entry that is owed to us and names it.
            until: when it is to be destroyed, in seconds UTC.

        Raises:
            Refusal, Fault: the node does not give it.
        """
        found = self._kept(BODY, named)
        if found is None:
            self._must_ask()
            where = f"/v1/blobs/{named}"
            found = await self._patiently(lambda: self._transport.get(where, index=index))
            # Anything else would stand in the way of the right one, for ever.
            if digest(found) == named:
                self._keep(BODY, named, found, until)
        return found

    async def granted(self, index: int) -> str:
        """Return the entry of the bulletin that the grant at a journal index is of, unverified.

        Raises:
            Refusal, Fault: the node does not give it.
        """
        name = f"{self._realm}\n{index}"
        found = self._kept(ENTRY, name)
        if found is not None:
            return found.decode()
        self._must_ask()
        answer = await self._patiently(
            lambda: self._transport.get_as(wire.JournalItem, "/v1/granted", index=index)
        )
        return answer.entry

    def keep_granted(self, index: int, entry: str) -> None:
        """Keep the entry of a granted bulletin, once it is verified. Headers stay for ever."""
        name = f"{self._realm}\n{index}"
        if self._kept(ENTRY, name) is None:
            self._keep(ENTRY, name, entry.encode(), 0)

    def flush(self) -> None:
        """Make durable what was fetched."""
        if not self._fresh:
            return
        with self._cabinet.change():
            for (drawer, name), (value, until) in self._fresh.items():
                self._cabinet.put(drawer, name, value, until)
        self._fresh = {}

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, and once more after a while where too much of ours was under way.

        Raises:
            Fault: ``too-many``: it still is.
        """
        pauses = iter(_PAUSES_S)
        while True:
            try:
                return await ask()
            except Refusal as refusal:
                if refusal.code is not Code.TOO_MANY:
                    raise
                seconds = next(pauses, None)
                if seconds is None:
                    raise Fault(refusal.code, refusal.at, **refusal.facts) from refusal
            await self._pause(seconds)

    def _must_ask(self) -> None:
        if not self.may_ask:
            raise Fault(Code.NODE_UNREACHABLE)

    def _kept(self, drawer: str, name: str) -> bytes | None:
        fresh = self._fresh.get((drawer, name))
        return fresh[0] if fresh else self._cabinet.get_sound(drawer, name)

    def _keep(self, drawer: str, name: str, value: bytes, until: int) -> None:
        self._fresh[drawer, name] = value, until
        if len(self._fresh) >= _AT_ONCE:
            self.flush()


def purge(cabinet: Cabinet, now: int) -> int:
    """Destroy what is no longer to be retained; return how many there were."""
    # By the digest of its text: nothing here tells of which bulletin a damaged one was.
    return len(losses.take_overdue(cabinet, BODY, now, tuple)[0])


def destroy(cabinet: Cabinet, named: str) -> int:
    """Destroy what is kept under a digest; return how many there were."""
    is_there = cabinet.has(BODY, named)
    if is_there:
        cabinet.drop(BODY, named)
    return int(is_there)

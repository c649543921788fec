"""What was reviewed and is about to go: held for ten seconds, in which it can be undone.

Only this program holds it: it survives any page, and if the program ends meanwhile nothing was
sent and the draft is still there. A FLASH is not held. What the node cannot take now waits in
the outbox, sealed, and is sent from here when the node is back; what needs a release goes to
its releasers' queue. Until there is a receipt its draft is kept, and comes back if there is
none after all (``fates``).
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import structlog

from exchange.desk import fates, rest
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model.identity import digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from aiohttp import web

    from exchange.client.agency import Agency
    from exchange.client.compose import Prepared
    from exchange.client.separating import Standing
    from exchange.desk.kept_drafts import Kept, KeptDrafts

# So long one can change one's mind.
HOLD_S: Final = 10
# So often what waits is tried again.
RETRY_S: Final = 30
State = Literal[
    "held", "sending", "sent", "asked", "waits", "refused", "unsure", "undone", "partly",
]  # fmt: skip
_log = structlog.get_logger("exchange.desk")


class Held(msgspec.Struct):
    """One bulletin on its way.

    Attributes:
        draft: the desk's name of the draft.
        prepared: just what was reviewed, and who will be able to read it.
        mark: what tells it from all else that is posted: nothing is sent twice.
        until: when it goes, by the program's own clock, in seconds.
        state: how far it is.
        id: of the bulletin in the outbox; another's than ``prepared``'s where it went before.
        index, node: of its receipt.
        asked: who can release it.
        why: what keeps it.
        parts: the envelopes it goes out in, where these are several.
        standing: how each of them stands.
        done, whole: bytes of the attachment that is being sealed or uploaded.
        again: the draft that its text is in by now, where some of the envelopes went.
    """

    draft: str
    prepared: Prepared
    mark: str
    until: float
    state: State = "held"
    id: str = ""
    index: int | None = None
    node: str = ""
    asked: list[str] = []
    why: ExchangeError | None = None
    parts: list[Prepared] = []
    standing: list[Standing] = []
    done: int = 0
    whole: int = 0
    again: str = ""

    def tell(self, done: int, whole: int) -> None:
        """Note how far an attachment is; also called from a thread."""
        self.done, self.whole = done, whole


class Holding:
    """All that is on its way from this desk."""

    def __init__(
        self, agency: Agency, drafts: KeptDrafts, officer: Callable[[], str | None]
    ) -> None:
        """Send for an agency; who has the watch then asks for releases."""
        self.hold_s: float = HOLD_S
        self.retry_s: float = RETRY_S
        # Called when what waited was tried again: an acknowledgement may have been refused.
        self.settled: Callable[[], None] = lambda: None
        self._agency = agency
        self._drafts = drafts
        self._officer = officer
        self._all: dict[str, Held] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def get(self, draft: str) -> Held | None:
        """Return what became of a draft that was sent from this desk since it was opened."""
        return self._all.get(draft)

    def all(self) -> list[Held]:
        """Return all that was sent from this desk since it was opened, the newest first."""
        return list(reversed(self._all.values()))

    def left_s(self, held: Held) -> int:
        """Return in how many seconds it goes, rounded up."""
        return max(0, -int(-(held.until - asyncio.get_running_loop().time()) // 1))

    def hold(self, kept: Kept, prepared: Prepared, parts: Sequence[Prepared] = ()) -> Held:
        """Hold what was reviewed, then send it; what is under way already is not sent twice.

        What is held and says something else by now is taken back for it. ``parts`` are the
        envelopes that it goes out in, where these are several.
        """
        before = self._all.get(kept.id)
        if before is not None and before.mark != mark_of(kept):
            self.undo(kept.id)
        if before is not None and before.state not in ("undone", "refused"):
            return before
        pause = 0 if prepared.header.precedence == "flash" else self.hold_s
        until = asyncio.get_running_loop().time() + pause
        held = Held(kept.id, prepared, mark_of(kept), until, id=prepared.header.id)
        held.parts = list(parts) if len(parts) > 1 else []
        self._all.pop(kept.id, None)
        self._all[kept.id] = held
        self._tasks[kept.id] = asyncio.create_task(self._go(held, pause))
        return held

    def undo(self, draft: str) -> bool:
        """Take back what is held; tell whether it was not under way yet."""
        held = self._all.get(draft)
        if held is None or held.state != "held":
            return False
        held.state = "undone"
        self._tasks.pop(draft).cancel()
        return True

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Try again what waits, for as long as the desk is open; then hold nothing any more."""
        # What went before the desk was closed may have come back since.
        with _borne():
            self.look()
        self._tidy()
        retrying = asyncio.create_task(self._retry())
        yield
        tasks = [retrying, *self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- sending ----------------------------------------------------------------------------

    async def _go(self, held: Held, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        held.state = "sending"
        try:
            # Before anything of it is kept elsewhere: nobody writes on in it from here on.
            self._went(held)
            await self._send(held)
        except ExchangeError as error:
            self._failed(held, error)
        except Exception as error:  # noqa: BLE001  (a defect of ours: told as one, by its kind)
            _log.error("not posted", error=type(error).__name__)
            self._failed(held, Fault(Code.INTERNAL))
        finally:
            self._tasks.pop(held.draft, None)
        with _borne():
            self._went(held)
            self._settle()

    def _went(self, held: Held) -> None:
        """Note in its draft as what it goes, unless that says something else by now."""
        with suppress(Refusal):
            kept = self._drafts.get(held.draft)
            if mark_of(kept) == held.mark:
                self._drafts.put(msgspec.structs.replace(kept, went=held.id))

    def _settle(self) -> None:
        """Delete the drafts of what has its receipt; what came back is a draft again.

        Where some of its envelopes went, it is so under another name: sent as it is, it would
        lead to what went.
        """
        for kept in self._drafts.gone():
            if kept.id in self._tasks:
                continue
            state = fates.fate(self._agency, mark_of(kept), kept.went).state
            if state == "sent":
                self._agency.separating.join(kept.went_as, self._ids(kept))
                self._drafts.drop(kept.id)
            elif state == "back":
                self._drafts.put(self._back(kept))
            elif state == "apart":
                # Those who have it are not to be sent it a second time.
                back = self._back(kept)
                alone = msgspec.structs.replace(back, written=rest.asking(kept.written))
                moved = self._drafts.move(alone, self._agency.new_id())
                if (held := self._all.get(kept.id)) is not None:
                    held.again = moved.id

    def _back(self, kept: Kept) -> Kept:
        """Return what went as a draft again: it knows what it went as, and is new from now."""
        agency, went = self._agency, self._ids(kept)
        waited = agency.asking.waiting.all()
        asked = [each.draft for each in waited if each.id in went]
        known = list(dict.fromkeys([*kept.went_as, *went, *asked]))
        now = agency.world.now()
        return msgspec.structs.replace(kept, went="", changed_s=now, went_as=known)

    def _ids(self, kept: Kept) -> list[str]:
        """Return the ids of the envelopes that a draft went in."""
        act = self._agency.separating.under(mark_of(kept))
        return [part.id for part in act.parts] if act is not None else [kept.went]

    async def _send(self, held: Held) -> None:
        agency, box, mark = self._agency, self._agency.world.outbox, held.mark
        if held.parts:
            officer = self._officer()
            stands = await agency.separating.post(held.parts, mark, held.tell, officer)
            _stand(held, stands)
            return
        if asked := agency.asking.under(mark):
            if fates.fate(agency, mark, asked.id).state != "back":
                held.state, held.id, held.asked = "asked", asked.id, asked.to
                return
            # The node refused to have it asked for: that is over, and it is asked for anew.
            await agency.asking.withdraw(asked, held.tell, self._officer())
        if (before := agency.begin(mark)) is not None:
            held.id = before
            receipt = box.receipt(before) or await agency.resolve(before, held.tell)
        elif held.prepared.releasers:
            held.asked = [each.endpoint for each in held.prepared.releasers]
            await agency.asking.ask(held.prepared, mark, held.tell, self._officer())
            held.state = "asked"
            return
        elif held.prepared.as_of_ms is not None:
            held.id = await agency.queue(held.prepared, mark, held.tell)
            held.state, held.why = (
                "waits",
                Fault(Code.NODE_UNREACHABLE, name=agency.profile.url),
            )
            return
        else:
            receipt = await agency.post(held.prepared, mark, held.tell)
            held.id = box.led(mark) or held.id
        held.state, held.index, held.node = "sent", receipt.index, receipt.node
        held.why = None
        box.forget(mark)

    def _failed(self, held: Held, error: ExchangeError) -> None:
        """Tell how it stands after an error: whether it is kept, and sent later."""
        held.why = error
        try:
            held.state = self._after(held, error)
        except ExchangeError as fault:
            # What is kept cannot be read just now.
            held.state = "unsure"
            _log.error("not known", code=fault.code.value)
        _log.info("not posted", state=held.state, code=error.code.value)

    def _after(self, held: Held, error: ExchangeError) -> State:
        agency = self._agency
        asked = agency.asking.under(held.mark)
        kept = asked.id if asked is not None else agency.world.outbox.marked(held.mark)
        held.id = kept or held.id
        if fates.fate(agency, held.mark, held.id).state == "back":
            return "refused"
        if asked is not None:
            held.asked = asked.to
            return "asked"
        is_unsent = error.code in (Code.NODE_UNREACHABLE, Code.CLOCK)
        return "waits" if is_unsent else "unsure"

    async def _retry(self) -> None:
        agency = self._agency
        while True:
            await asyncio.sleep(self.retry_s)
            box = agency.world.outbox
            # Whatever goes wrong is tried again: what waits must not wait for a restart.
            with _borne():
                if box.waiting() or box.acks.waiting() or agency.asking.waiting.unsettled():
                    await agency.resume()
            with _borne():
                self.look()
                self.settled()

    def _tidy(self) -> None:
        """Delete drafts that nobody touched for too long, and files that no draft names."""
        world = self._agency.world
        with _borne():
            self._drafts.expire(world.now(), self._tasks)
            self._drafts.sweep(world.clock_ms())

    def forget(self) -> None:
        """Let go of what is to be kept no longer: drafts here, and texts in memory."""
        self._tidy()
        now, kept = self._agency.world.now(), self._agency.world.kept
        for draft, held in list(self._all.items()):
            is_over = held.prepared.header.retain_until <= now
            # Ordered to be purged, its key went with all else that was kept of it.
            ids = [each.id for each in held.standing] or [held.id]
            is_destroyed = held.state == "sent" and not any(map(kept.has, ids))
            if draft not in self._tasks and (is_over or is_destroyed):
                del self._all[draft]

    def look(self) -> None:
        """Take up what became of what waited."""
        for held in self._all.values():
            if held.state in ("waits", "unsure", "asked", "partly"):
                self._look(held)
        self._settle()

    def _look(self, held: Held) -> None:
        agency, box = self._agency, self._agency.world.outbox
        if held.parts:
            if (act := agency.separating.under(held.mark)) is not None:
                _stand(held, agency.separating.standing(act))
            return
        found = fates.fate(agency, held.mark, held.id)
        if receipt := box.receipt(held.id):
            held.state, held.index, held.node = "sent", receipt.index, receipt.node
            held.why = None
        elif found.state == "back":
            held.state, held.why = "refused", found.why


@contextmanager
def _borne() -> Iterator[None]:
    """Go on after any error: one that is a defect of ours is told, by its kind."""
    try:
        yield
    except ExchangeError as error:
        _log.info("not sent", code=error.code.value)
    except Exception as error:  # noqa: BLE001  (what waits is tried again after this, too)
        _log.error("not sent", error=type(error).__name__)


def _stand(held: Held, standing: list[Standing]) -> None:
    """Take up how each envelope stands; the whole by what most wants looking at."""
    held.standing = standing
    states = {each.state for each in standing}
    bad = states & fates.OVER
    if bad == states:
        held.state = "refused"
    elif bad:
        held.state = "partly"
    else:
        held.state = next(each for each in _ORDER if each in states)


# Of several envelopes, what is told of all of them.
_ORDER: Final[tuple[Literal["waits", "asked", "sent"], ...]] = ("waits", "asked", "sent")


def mark_of(kept: Kept) -> str:
    """Return what tells a draft from everything else that is posted."""
    files = [[each.id for each in kept.files]] if kept.files else []
    return digest(msgspec.json.encode((kept.id, sorted(kept.written.items()), *files)))

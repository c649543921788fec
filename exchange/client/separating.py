"""One bulletin for readers who are not to see each other: an envelope for each group of them.

Each envelope is a bulletin of its own, with its own id, key and signed header, which names its
group alone: no reader can tell from what it holds that there is another. Its author's machine
keeps them as one act: all are sealed and kept in one change before the first is sent, and how
each stands is told under the act.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

from exchange.client import compose, losses, story
from exchange.client.cabinet import FILE
from exchange.client.outcomes import Why
from exchange.client.posting import Made
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model.bulletin import VERBS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from exchange.client.agency import Agency
    from exchange.client.asking import Ready
    from exchange.client.attaching import Tell
    from exchange.client.cabinet import Cabinet
    from exchange.client.compose import Prepared, Reader
    from exchange.client.outbox import Outbox
    from exchange.client.pending import Pending
    from exchange.client.posting import Poster
    from exchange.client.story import Posted
    from exchange.model.view import View

By = Literal["nation", "agency", "endpoint"]
BY: Final[tuple[By, ...]] = get_args(By)
State = Literal["sent", "asked", "waits", "refused", "over"]
# What changes or takes back what another bulletin says.
AMENDS: Final = frozenset({"corrects", "cancels"})
_DRAWER: Final = "acts"
_ENDED: Final = frozenset({"refused", "over"})
# Among all who take part these are one matter, with one clock or one key.
_WHOLE: Final = frozenset({"brq", "brp", "brr", "con", "dcf"})


class Part(msgspec.Struct, frozen=True):
    """One envelope of an act: its bulletin's id, and to whom it goes."""

    id: str
    to: list[str]


class Act(msgspec.Struct, frozen=True):
    """What was posted at once, in several envelopes.

    Attributes:
        id: that of the first envelope.
        mark: the one under which it was posted.
        until: when it is forgotten, in seconds UTC.
        parts: the envelopes.
        rest: ids of what was sent later to those who got none of them.
    """

    id: str
    mark: str
    until: int
    parts: list[Part]
    rest: list[str] = []

    @property
    def ids(self) -> frozenset[str]:
        """Of all that went with its text."""
        return frozenset([*(part.id for part in self.parts), *self.rest])


Done = Literal["stands", "corrected", "waits", "cancelled"]


class Other(msgspec.Struct, frozen=True):
    """What went with the same text as what is corrected or cancelled, to others.

    Attributes:
        id, to: as of ``Part``.
        index: the entry of its receipt.
        done: what was done to it from here by now; ``waits``: its cancellation does.
    """

    id: str
    to: list[str]
    index: int
    done: Done

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to be done to it any more."""
        return self.done in {"waits", "cancelled"}


def _is_newest(version: Other) -> tuple[bool, int]:
    return not version.is_over, version.index


def _done(identity: str, posted: Sequence[Posted]) -> Done:
    to_it = {
        (ref.rel, each.index is not None)
        for each in posted
        for ref in each.header.refs
        if ref.id == identity
    }
    if ("cancels", True) in to_it:
        return "cancelled"
    if ("cancels", False) in to_it:
        return "waits"
    return "corrected" if ("corrects", True) in to_it else "stands"


class Standing(msgspec.Struct, frozen=True):
    """How one envelope of an act stands.

    Attributes:
        id, to: as of ``Part``.
        state: ``asked`` waits for a release; ``over`` was declined, withdrawn or not kept, or
            waited for one until it expired.
        index: the entry of its receipt.
        node: whose journal.
        why: what keeps it, or why it was refused.
    """

    id: str
    to: list[str]
    state: State
    index: int | None = None
    node: str = ""
    why: Why | None = None


def split(
    prepared: Prepared, by: By, view: View, now: int, new_id: Callable[[], str]
) -> list[Prepared]:
    """Return what was prepared, as a bulletin for each group of its readers.

    Each is held to the node's rules again, as narrow as it is. Where all readers are of one
    group it stays one, as it was.

    Args:
        prepared: for all of its readers.
        by: whom each group is of: one nation, one agency, or one endpoint alone.
        view: the trust documents in force.
        now: seconds UTC.
        new_id: returns a fresh id.

    Raises:
        Refusal: ``not-separable``; or as ``compose.permitted``.
    """
    header = prepared.header
    if header.verb != "new" or not may_be_split(header.type):
        raise Refusal(Code.NOT_SEPARABLE, "/post/separately", name=header.type)
    found = groups(prepared.readers, by)
    if len(found) == 1:
        return [prepared]
    return [_for(prepared, each, view, now, new_id()) for each in found]


def alone(
    prepared: Prepared, names: Collection[str], view: View, now: int, at: str
) -> Prepared:
    """Return what was prepared for those of its readers alone who are named.

    It is held to the node's rules again, as narrow as it is.

    Args:
        prepared: for all of its readers.
        names: endpoints.
        view: the trust documents in force.
        now: seconds UTC.
        at: where it was said that it is for them alone.

    Raises:
        Refusal: ``no-readers``: none of them is among its readers; why, if it is for a key; or
            as ``compose.permitted``.
    """
    readers = [each for each in prepared.readers if each.endpoint in names]
    left_out = [each for each in prepared.left_out if each.endpoint in names]
    if not readers and left_out:
        raise left_out[0].why
    if not readers:
        raise Refusal(Code.NO_READERS, at, name=prepared.header.feed)
    narrow = _for(prepared, readers, view, now, prepared.header.id)
    return msgspec.structs.replace(narrow, left_out=left_out)


def may_be_split(kind: str) -> bool:
    """Tell whether a type of bulletin may go in several envelopes, where it is new."""
    return "new" in VERBS[kind] and kind not in _WHOLE


def groups(readers: Sequence[Reader], by: By) -> list[list[Reader]]:
    """Return readers by whom each is of, in the order of their names."""
    found: dict[str, list[Reader]] = {}
    for reader in readers:
        found.setdefault(_group(reader, by), []).append(reader)
    return [found[name] for name in sorted(found)]


def _group(reader: Reader, by: By) -> str:
    match by:
        case "nation":
            return reader.nation
        case "agency":
            return reader.member
        case "endpoint":
            return reader.endpoint


def _for(
    prepared: Prepared, readers: list[Reader], view: View, now: int, identity: str
) -> Prepared:
    to = [reader.endpoint for reader in readers]
    header = msgspec.structs.replace(prepared.header, id=identity, to=to)
    bulletin = msgspec.structs.replace(prepared.bulletin, id=identity)
    whole = compose.as_sealed(header, bulletin, len(prepared.files))
    return msgspec.structs.replace(
        prepared,
        header=header,
        bulletin=bulletin,
        readers=readers,
        releasers=compose.permitted(header, whole, view, now),
    )


class Separating:
    """Posts acts of one endpoint, and knows how they stand."""

    def __init__(self, agency: Agency, poster: Poster) -> None:
        """Work for an agency; what is sent goes by its poster."""
        self._agency = agency
        self._poster = poster
        self._world = agency.world

    async def post(
        self, parts: Sequence[Prepared], mark: str, tell: Tell, officer: str | None = None
    ) -> list[Standing]:
        """Seal all, keep all at once, and send each; return how each stands.

        Under the same mark nothing is sealed twice: what was kept is gone on with. One that is
        refused keeps no other: it is named, as what waits is.

        Args:
            parts: see ``split``; one or more.
            mark: see ``Agency.post``.
            tell: likewise.
            officer: who asks for the release of what needs one.

        Raises:
            Refusal, Fault: it cannot be sealed; then nothing is kept and nothing sent.
        """
        act = self.under(mark)
        if act is not None and all(each.state in _ENDED for each in self.standing(act)):
            # Nobody got any of it: the same is tried anew.
            self.forget(act)
            act = None
        if act is None:
            act = await self._begun(parts, mark, tell, officer)
        if any(each.as_of_ms is not None for each in parts):
            return self.standing(act)
        return await self.go_on(act, tell)

    async def _begun(
        self, parts: Sequence[Prepared], mark: str, tell: Tell, officer: str | None
    ) -> Act:
        """Seal and keep all, unless another command did meanwhile."""
        async with AsyncExitStack() as held:
            # Alone: another command would seal its files over those that are kept.
            for each in parts:
                await held.enter_async_context(self._poster.alone(each.header.id))
            if (other := self.under(mark)) is not None:
                return other
            for each in parts:
                if await self._poster.is_known(each):
                    # In another act, under another mark: it is there, and goes its way.
                    raise Refusal(Code.ID_REUSED, "/id", id=each.header.id)
            return self._kept(parts, await self._seal(parts, tell, officer), mark)

    async def go_on(self, act: Act, tell: Tell) -> list[Standing]:
        """Send what has no receipt yet, the same bytes; return how each envelope stands."""
        await self._send(act, tell)
        return self.standing(act)

    def forget(self, act: Act) -> None:
        """Have its mark lead nowhere, once its poster was told: the same is new again."""
        with self._world.cabinet.change():
            self._world.cabinet.drop(_DRAWER, act.mark)
            row = msgspec.json.encode(msgspec.structs.replace(act, mark=act.id))
            self._world.cabinet.put(_DRAWER, act.id, row, act.until)

    async def _seal(
        self, parts: Sequence[Prepared], tell: Tell, officer: str | None
    ) -> list[Made | Ready]:
        try:
            return [await self._one(each, tell, officer) for each in parts]
        except ExchangeError:
            self._discard(parts)
            raise

    async def _one(self, prepared: Prepared, tell: Tell, officer: str | None) -> Made | Ready:
        if not prepared.releasers:
            return await self._poster.sealed(prepared, tell)
        return await self._agency.asking.sealed(prepared, "", tell, officer)

    def _discard(self, parts: Sequence[Prepared]) -> None:
        for each in parts:
            self._poster.abandon(each.header.id)

    def _kept(self, parts: Sequence[Prepared], sealed: list[Made | Ready], mark: str) -> Act:
        """Keep all of it in one change; or return what another command kept meanwhile."""
        headers = [each.header for each in parts]
        named = [Part(each.id, each.to) for each in headers]
        act = Act(headers[0].id, mark, max(each.retain_until for each in headers), named)
        with self._world.cabinet.change():
            other = self.under(mark)
            if other is None:
                for part, each in zip(parts, sealed, strict=True):
                    if isinstance(each, Made):
                        self._poster.keep(part, each)
                    else:
                        self._agency.asking.keep(each)
                self._world.cabinet.put(_DRAWER, mark, msgspec.json.encode(act), act.until)
        if other is not None:
            self._discard(parts)
        return other or act

    async def _send(self, act: Act, tell: Tell) -> None:
        box, waiting = self._world.outbox, self._waiting()
        for part in act.parts:
            pending = waiting.get(part.id)
            identity = pending.draft if pending is not None else part.id
            if box.waits(identity) is None:
                continue
            try:
                await self._poster.resolve(box, identity, tell)
            except ExchangeError as error:
                # The outbox has noted it. Of a node that is away nothing more is asked now.
                if is_away(error):
                    return

    # -- how they stand -----------------------------------------------------------------------

    def under(self, mark: str) -> Act | None:
        """Return what was posted in several envelopes under a mark, if anything was."""
        found = self._world.cabinet.get(_DRAWER, mark)
        return None if found is None else _decoded(found)

    def acts(self) -> list[Act]:
        """Return all acts whose bulletins are retained, oldest first."""
        return all_of(self._world.cabinet)

    def join(self, before: Collection[str], rest: Collection[str]) -> None:
        """Keep with an act what was sent as its rest: it says the same.

        Args:
            before: ids of envelopes, some of which came to nothing.
            rest: ids of what went to those who lacked it.
        """
        for act in self.acts():
            if not act.ids.isdisjoint(before):
                joined = [*dict.fromkeys([*act.rest, *rest])]
                row = msgspec.json.encode(msgspec.structs.replace(act, rest=joined))
                self._world.cabinet.put(_DRAWER, act.mark, row, act.until)

    def together(self) -> list[frozenset[str]]:
        """Return the ids of what went with one text: the envelopes of an act, and its rest."""
        found: list[frozenset[str]] = []
        for act in self.acts():
            same = [each for each in found if not each.isdisjoint(act.ids)]
            found = [each for each in found if each not in same]
            found.append(act.ids.union(*same))
        return found

    def others(self, identity: str) -> list[Other]:
        """Return what else went with the text of a bulletin, as far as it was sent.

        Of each the newest version that stands; a version counts as the bulletin itself.
        """
        if not (families := self.together()):
            return []
        every = story.every(self._world.outbox)
        sent = {each.header.id: each for each in every if each.index is not None}
        older = {
            name: ref.id
            for name, each in sent.items()
            for ref in each.header.refs
            if ref.rel == "supersedes"
        }

        def first(name: str) -> str:
            # Each names one by its digest: none can run in a circle.
            while name in older:
                name = older[name]
            return name

        ours = first(identity)
        of = [{first(name) for name in family} for family in families]
        beside = {name for family in of if ours in family for name in family} - {ours}
        versions: dict[str, list[Other]] = {name: [] for name in sorted(beside)}
        for name, each in sent.items():
            if (root := first(name)) in versions and each.index is not None:
                done = _done(name, every)
                versions[root].append(Other(name, each.header.to, each.index, done))
        return [max(each, key=_is_newest) for each in versions.values() if each]

    def standing(self, act: Act) -> list[Standing]:
        """Return how each envelope of an act stands, as far as is known here."""
        box, waiting = self._world.outbox, self._waiting()
        refused = {each.id: each.why for each in box.refused()}
        found = [_standing(part, box, waiting.get(part.id), refused) for part in act.parts]
        return [self._or_over(each, waiting) for each in found]

    def _or_over(self, standing: Standing, waiting: dict[str, Pending]) -> Standing:
        """Return how one stands by now: what was asked for in vain is over."""
        asking, now = self._agency.asking, self._world.now()
        if standing.state != "asked" or not asking.is_over(waiting[standing.id], now):
            return standing
        why = Why.of(Refusal(Code.EXPIRED))
        return msgspec.structs.replace(standing, state="over", why=why)

    def _waiting(self) -> dict[str, Pending]:
        return {each.id: each for each in self._agency.asking.waiting.all()}


def _standing(
    part: Part, box: Outbox, pending: Pending | None, refused: dict[str, Why]
) -> Standing:
    if (receipt := box.receipt(part.id)) is not None:
        return Standing(part.id, part.to, "sent", receipt.index, receipt.node)
    draft = pending.draft if pending is not None else part.id
    if (why := refused.get(part.id) or refused.get(draft)) is not None:
        return Standing(part.id, part.to, "refused", why=why)
    if pending is not None and pending.ended in ("declined", "withdrawn"):
        return Standing(part.id, part.to, "over")
    if pending is not None and pending.ended is None:
        waits = box.waits(draft)
        return Standing(part.id, part.to, "asked", why=waits.why if waits else None)
    waits = box.waits(part.id)
    if waits is None:
        return Standing(part.id, part.to, "over")
    return Standing(part.id, part.to, "waits", why=waits.why)


def all_of(cabinet: Cabinet) -> list[Act]:
    """Return the acts that a cabinet knows, oldest first; a damaged one is put aside."""
    values, _ = losses.put_aside(cabinet, _DRAWER, lambda: ())
    return sorted(map(_decoded, values), key=lambda each: each.id)


def purge(cabinet: Cabinet, now: int) -> int:
    """Forget the acts whose bulletins are not retained any more; return how many."""
    values, damaged = cabinet.take_overdue(_DRAWER, now)
    return len(values) + len(damaged)


def _decoded(value: bytes) -> Act:
    try:
        return msgspec.json.decode(value, type=Act)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Fault(Code.MAIL_DAMAGED, name=FILE, found="act") from error

"""Have each checkpoint cosigned by the witnesses that were agreed on, off the commit path.

    signed > [asked of every witness] > verified > quorum > kept > shown

A witness that does not answer is asked again, ever less often. One that knows of a longer
journal, or of another, is asked for the checkpoint: if it is signed by our own keys, then this
journal was set back or has been forked, and nothing more is written to it. Its word alone stops
nothing, nor do keys that were handed over: that is an alarm.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import structlog

from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal import forks, quorum, witness
from exchange.journal.note import Line, parse_note
from exchange.journal.proofs import consistency_proof, root_at
from exchange.model import entry as entries
from exchange.node.stored import with_hashes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from exchange.journal.checkpoint import Checkpoint
    from exchange.journal.quorum import Policy, Witness
    from exchange.model.trust import Arrangement
    from exchange.node.opening import Log
    from exchange.node.ports import Courier, Store
    from exchange.node.settings import Settings
    from exchange.node.writer import Writer

# From this age on the operator is warned; a healthy link takes two seconds.
WARN_S = 120
# A cosignature's time may differ from our clock by so much: one of the two is wrong.
_SKEW_S = 120
_REST_S, _LONGEST_REST_S = 1.0, 15.0
_LOOK_S = 15.0
# Before anything is written at a start, witnesses are asked for so long.
_BEGIN_S = 5.0
_TRIES = 3
# Of cosignatures in one entry of the journal: a dozen witnesses.
_MOST_BYTES = 40 * 1024

_log = structlog.get_logger("exchange.node")


class _Given(NamedTuple):
    """A cosignature that holds, and its time in seconds UTC."""

    line: Line
    time: int


class _Met(NamedTuple):
    """The checkpoint as it was when a quorum of it was complete.

    ``is_first``: no quorum of a larger one than the journal tells of had been before.
    """

    note: bytes
    is_first: bool


class _Standing:
    """One witness as this node sees it."""

    def __init__(self) -> None:
        self.size = 0  # of our journal, as it said last
        self.note = b""  # what it cosigned last
        self.cosigned = (0, 0)  # how many entries that had, and when it was
        self.rest_s = 0.0
        self.not_before = 0.0
        self.task: asyncio.Task[None] | None = None

    def failed(self, now: float) -> None:
        self.rest_s = min(max(2 * self.rest_s, _REST_S), _LONGEST_REST_S)
        self.not_before = now + self.rest_s


class Witnessing:
    """Follows the checkpoints; ``wake`` tells it of a new one, ``run`` ends when cancelled."""

    def __init__(self, store: Store, writer: Writer, log: Log, settings: Settings) -> None:
        """Follow this journal."""
        self.note: bytes | None = None
        self.size = 0
        self.at = 0
        self._store = store
        self._writer = writer
        self._log = log
        self._clock_ms = settings.clock_ms
        self._kept = settings.cosigned
        self._accuse = settings.accuse
        self._newest: bytes | None = None
        self._bell = asyncio.Event()
        self._read_of: Arrangement | None = None
        self._policy: Policy | None = None
        self._witnesses: dict[str, _Standing] = {}
        self._given: dict[int, dict[str, _Given]] = {}
        self._since = 0
        self._is_warned = False
        # Of which size the journal has the cosignatures already. What is told of the next is as
        # a quorum first had it: an idle journal is cosigned again each minute, and by the last
        # time it would seem to have waited until then. Sizes below ``_opened`` were signed by
        # whoever ran before us, and what of them was first is not known.
        self._told = self._telling = 0
        self._met: _Met | None = None
        self._opened = writer.size
        self._followers: list[Callable[[], None]] = []

    @property
    def policy(self) -> Policy | None:
        """Who must cosign, by the arrangement in force; None: nobody."""
        return self._policy

    def rearranged(self) -> None:
        """Look who must vouch from now on: trust documents came in."""
        arrangement = self._writer.view.arrangement
        if arrangement is not None and arrangement is not self._read_of:
            self._read_of = arrangement
            # What stands in the journal was held to this when it was taken in.
            self._policy = quorum.of(arrangement)
            self._since = self._clock_ms() // 1000
            self._bell.set()

    def age_s(self, now: int) -> int | None:
        """Return for how long no quorum has vouched; None where none must."""
        if self.policy is None:
            return None
        return max(now - max(self.at, self._since), 0)

    def past_limit_s(self, now: int) -> int:
        """Return the age where it is over what the arrangement allows; else 0."""
        age, arrangement = self.age_s(now), self._writer.view.arrangement
        agreed = arrangement.witnesses if arrangement else None
        return age if age is not None and agreed and age > agreed.limit_s else 0

    def by_node(self, node: str) -> tuple[str, int, int]:
        """Return how a node's own witness stands to our journal.

        Returns:
            Its name in the policy, empty where it is not in it; how many entries the newest
            checkpoint had that it cosigned, and when that was (seconds UTC), 0 for never.
        """
        for each in self._policy.witnesses if self._policy else ():
            if each.node == node:
                standing = self._witnesses.get(each.name)
                return each.name, *(standing.cosigned if standing else (0, 0))
        return "", 0, 0

    def others_at(self) -> int:
        """Return when a witness other than our own cosigned last; seconds UTC, 0 for never."""
        given = [
            self._witnesses[each.name].cosigned[1]
            for each in (self._policy.witnesses if self._policy else ())
            if each.node != self._log.node and each.name in self._witnesses
        ]
        return max(given, default=0)

    def follow(self, follower: Callable[[], None]) -> None:
        """Call ``follower`` in the event loop whenever a quorum has vouched anew."""
        self._followers.append(follower)

    def wake(self, note: bytes) -> None:
        """Hear of a checkpoint that was signed, and stands in the journal."""
        self._told = self._telling
        self._newest = note
        self._bell.set()

    def again(self) -> None:
        """Ask those that failed again at once: the network is back."""
        for each in self._witnesses.values():
            each.rest_s = each.not_before = 0.0
        self._bell.set()

    def news(self) -> entries.Cosigned | msgspec.UnsetType:
        """Return the first quorum's cosignatures of the newest size, for the journal.

        Once: not again when a checkpoint was made with them (``wake``). No more than are needed
        for a quorum, and none that would not fit into an entry.
        """
        met = self._met
        policy = self._policy_of(met.note if met else None)
        if policy is None or met is None or self.size == self._told:
            return msgspec.UNSET
        parsed, lines, names = parse_note(met.note), list[str](), set[str]()
        for each in policy.witnesses:
            signature = parsed.by(each.key)
            if signature is not None and not policy.is_met_by(names):
                line = Line(each.key.name, each.key.key_id, signature)
                lines.append(line.encode().decode().removesuffix("\n"))
                names.add(each.name)
        if sum(len(line.encode()) for line in lines) > _MOST_BYTES:
            return msgspec.UNSET
        self._telling = self.size
        return entries.Cosigned(self.size, lines, met.is_first)

    # -- beginning ----------------------------------------------------------------------

    async def begin(
        self, courier: Courier | None, shown: Callable[[], Awaitable[bytes]], first_ms: int
    ) -> None:
        """Go on from what was kept; ask the witnesses whether this journal was set back.

        Args:
            courier: reaches them; None: they are not asked.
            shown: makes a checkpoint of the journal, by which they know who asks.
            first_ms: when its first entry was taken in.

        Raises:
            Fault: ``journal-behind``, ``journal-forked``: it was, by our own signature.
        """
        self.rearranged()
        # Whoever was to vouch before this start was to since these.
        issued = self._read_of.issued if self._read_of else 0
        self._since = max(first_ms // 1000, issued)
        policy = self.policy
        await self._resume()
        if policy is None or courier is None:
            return
        note = await shown()
        await _of_all(
            self._compare(courier, self._placed(each), note) for each in policy.witnesses
        )

    async def ask_the_time(self, courier: Courier, note: bytes) -> None:
        """Have others' witnesses cosign a checkpoint again: its time bears out our clock.

        Raises:
            Fault: as ``begin``.
        """
        policy = self.policy
        for each in policy.witnesses if policy else ():
            self._witnesses.setdefault(each.name, _Standing())
        await _of_all(
            self._cosignature(courier, self._placed(each), note)
            for each in (policy.witnesses if policy else ())
            if each.node != self._log.node
        )

    async def _resume(self) -> None:
        note = None if self._kept is None else await self._kept.newest()
        if note is None:
            return
        try:
            needed = self._log.terms(note)
            found = needed.verify(note)
            head, at = found.checkpoint, needed.met_at(found)
            is_ours = head.size <= self._writer.size and head.root == await with_hashes(
                self._store, partial(root_at, head.size)
            )
        except Refusal:
            is_ours = False
        if not is_ours or at is None:
            _log.warning("cosigned", reason="kept of another journal or policy")
            return
        self.note, self.size, self.at = note, head.size, at
        self._met = _Met(note, is_first=False)
        for name, time in needed.times(found).items():
            self._witnesses.setdefault(name, _Standing()).cosigned = (head.size, time)

    def _policy_of(self, note: bytes | None) -> Policy | None:
        """Return who must cosign a checkpoint of its size."""
        return None if note is None else self._log.terms(note).policy

    # -- asking -------------------------------------------------------------------------

    async def run(self, courier: Courier) -> None:
        """Have each new checkpoint cosigned, until cancelled."""
        try:
            while True:
                await self._wait()
                self._warn()
                note = self._newest
                policy = self._policy_of(note)
                if policy is not None and note is not None:
                    await self._round(courier, policy, note)
        finally:
            tasks = [each.task for each in self._witnesses.values() if each.task]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self) -> None:
        """Wait for a new checkpoint, or until a witness that failed may be asked again."""
        now = asyncio.get_running_loop().time()
        rests = [each.not_before - now for each in self._witnesses.values() if each.rest_s]
        with suppress(TimeoutError):
            # Not ``wait_for``, which can swallow that this was cancelled as the bell rang.
            async with asyncio.timeout(max(min([_LOOK_S, *rests]), 0.01)):
                await self._bell.wait()
        self._bell.clear()

    async def _round(self, courier: Courier, policy: Policy, note: bytes) -> None:
        """Ask all who may be asked of one checkpoint, until the quorum or the last answered.

        Of one and the same: two slow witnesses that each took the newest would never meet.
        """
        now, asked = asyncio.get_running_loop().time(), set()
        for each in policy.witnesses:
            standing = self._witnesses.setdefault(each.name, _Standing())
            is_due = standing.note != note and standing.not_before <= now
            if is_due and (standing.task is None or standing.task.done()):
                work = self._ask(courier, policy, self._placed(each), note)
                standing.task = asyncio.create_task(work, name=f"witness {each.name}")
                asked.add(standing.task)
        size = c2sp.parse(note).size
        while asked and not self._has_quorum(policy, size):
            _, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)

    def _placed(self, named: Witness) -> Witness:
        """Return a node's witness at the certificate that the directory lists for it now."""
        node = self._writer.view.nodes.get(named.node)
        return named if node is None else named.at(node.tls)

    def _has_quorum(self, policy: Policy, size: int) -> bool:
        return policy.is_met_by(self._given.get(size, {}).keys())

    async def _ask(self, courier: Courier, policy: Policy, named: Witness, note: bytes) -> None:
        standing = self._witnesses[named.name]
        try:
            given = await self._cosignature(courier, named, note)
        except (Fault, Refusal) as error:
            standing.failed(asyncio.get_running_loop().time())
            _log.warning(
                "witness", witness=named.name, code=error.code.value, rest_s=standing.rest_s
            )
            if error.code in _STOPPING:
                _log.critical(error.code.value, witness=named.name, **error.facts)
                self._writer.stop_writing(Fault(error.code, error.at, **error.facts))
            return
        standing.rest_s, standing.not_before, standing.note = 0.0, 0.0, note
        standing.cosigned = (c2sp.parse(note).size, given.time)
        await self._take(policy, note, named.name, given)

    async def _cosignature(self, courier: Courier, named: Witness, note: bytes) -> _Given:
        """Return one witness's cosignature; a 409 tells from where it must be led on.

        Raises:
            Fault, Refusal: it gives none.
        """
        standing, head = self._witnesses[named.name], c2sp.parse(note)
        for _ in range(_TRIES):
            old = standing.size
            status, body = await courier.add(named, await self._request(old, head, note))
            if status == witness.OK:
                standing.size = head.size
                return self._held(named, note, body)
            if status == witness.CONFLICT:
                standing.size = _size_in(body)
                await self._remind(courier, named, standing)
                if standing.size <= head.size and standing.size != old:
                    continue
            await self._compare(courier, named, note)
            raise Fault(Code.UNAVAILABLE, name=named.name, found=status)
        raise Fault(Code.UNAVAILABLE, name=named.name, limit=_TRIES)

    async def _request(self, old: int, head: Checkpoint, note: bytes) -> bytes:
        path = []
        if 0 < old <= head.size:
            path = await with_hashes(self._store, partial(consistency_proof, old, head.size))
        return witness.request(min(old, head.size), path, note).encode()

    async def _remind(self, courier: Courier, named: Witness, standing: _Standing) -> None:
        """Show a witness that was set back what it signed, before it is asked for more."""
        note = self.note
        if note is None or standing.size >= self.size or not parse_note(note).by(named.key):
            return
        _log.critical("witness-behind", witness=named.name, size=standing.size)
        status, body = await courier.add(named, witness.request(0, [], note).encode())
        if status == witness.CONFLICT:
            standing.size = _size_in(body)

    def _held(self, named: Witness, note: bytes, body: bytes) -> _Given:
        """Hold an answer to the witness's key, and its time to our clock."""
        head, key = note.partition(b"\n\n")[0] + b"\n\n", named.key
        signature = parse_note(head + body).by(key)
        line = Line(key.name, key.key_id, signature or b"")
        needed = self._log.terms(note)
        required = [*needed.log, key]
        whole = c2sp.attach(note, [line])
        time = c2sp.verify(whole, origin=needed.origin, required=required).at(key)
        if time is None or abs(time - self._clock_ms() // 1000) > _SKEW_S:
            raise Fault(Code.CLOCK, name=named.name, found=time or 0)
        # Our own has no clock but ours; by name, for where it answers now does not say whose.
        if named.name != self.by_node(self._log.node)[0]:
            self._writer.clock.bear_out()
        return _Given(line, time)

    async def _take(self, policy: Policy, note: bytes, name: str, given: _Given) -> None:
        size = c2sp.parse(note).size
        all_of_it = self._given.setdefault(size, {})
        all_of_it[name] = given
        at = policy.met_at({each: found.time for each, found in all_of_it.items()})
        if at is None or (size, at) <= (self.size, self.at):
            return
        whole = c2sp.attach(note, [each.line for each in all_of_it.values()])
        if size > self.size:
            is_first = size >= self._opened and self.size == self._told
            self._met = _Met(whole, is_first)
        self.note, self.size, self.at = whole, size, at
        self._given = {each: found for each, found in self._given.items() if each >= size}
        for follower in self._followers:
            follower()
        if self._kept is not None:
            try:
                await self._kept.keep(whole)
            except Fault as fault:
                # It is shown all the same: after a restart the next one takes its place.
                _log.error("cosigned", code=fault.code.value)

    async def _compare(self, courier: Courier, named: Witness, note: bytes) -> None:
        """Hold this journal to the checkpoint of it that a witness cosigned last.

        Raises:
            Fault: ``journal-behind`` or ``journal-forked``, by our own signature; or it does
                not answer.
        """
        kept = await courier.remembered(named, note)
        if kept is None:
            return
        try:
            head, is_over = self._log.told(kept)
        except Refusal:
            # Not signed by us: it proves nothing about our journal.
            _log.error("witness", witness=named.name, code=Code.BAD_CHECKPOINT.value)
            return
        size = self._writer.size
        if head.size > size:
            await self._keep_both(kept, note)
            raise Fault(Code.JOURNAL_BEHIND, expected=head.size, found=size)
        if await with_hashes(self._store, partial(root_at, head.size)) == head.root:
            return
        if not is_over:
            await self._keep_both(kept, note)
            raise Fault(Code.JOURNAL_FORKED, found=head.size)
        # Keys that were handed over may be known: they accuse, and stop nothing any more.
        _log.critical("keys-over", witness=named.name, size=head.size, note=kept.decode())

    async def _keep_both(self, kept: bytes, note: bytes) -> None:
        """Keep what convicts this journal, by its own signatures; nothing is changed by it."""
        if self._accuse is None:
            return
        old, new, path = c2sp.parse(kept).size, c2sp.parse(note).size, []
        if 0 < old < new:
            path = await with_hashes(self._store, partial(consistency_proof, old, new))
        try:
            name = self._accuse(kept, forks.of(kept, note, path).encode())
            _log.critical("evidence", name=name)
        except OSError as error:
            _log.error("evidence", error=type(error).__name__)

    def _warn(self) -> None:
        """Say once when nobody has vouched for long, and once when somebody does again."""
        age = self.age_s(self._clock_ms() // 1000)
        is_old = age is not None and age > WARN_S
        if is_old and not self._is_warned:
            _log.warning("unwitnessed", seconds=age)
        if self._is_warned and not is_old:
            _log.info("witnessed", seconds=age)
        self._is_warned = is_old


# By our own signature the journal is not what it was: nothing more may be written to it.
_STOPPING = frozenset({Code.JOURNAL_BEHIND, Code.JOURNAL_FORKED})


async def _of_all(asked: Iterable[Awaitable[object]]) -> None:
    """Ask all at once, for as long as a start waits.

    Raises:
        Fault: one of them learned that nothing more may be written.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_BEGIN_S):
            # All of them, also after one failed: the last one may be the one that knows.
            for each in await asyncio.gather(*asked, return_exceptions=True):
                if isinstance(each, Fault) and each.code in _STOPPING:
                    raise each


def _size_in(body: bytes) -> int:
    try:
        return c2sp.read_decimal(body.decode("ascii").removesuffix("\n"))
    except ValueError as error:
        raise Refusal(Code.MALFORMED, object="tlog-size") from error

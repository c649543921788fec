"""Write the vectors that are missing: ``python -m tests.vectors.generate``.

What is there is frozen and stays: signatures and wrapped keys are randomised, so writing it
anew would give other bytes of the same meaning. To change a vector, delete its file; when the
format itself changes, delete them all, ``world.json`` too.

Recipients' private keys, which the opening vectors need, go beside this file, never to
``schemas/``, which is shipped.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from exchange import resources
from exchange.broker.intake import Arrival
from exchange.broker.records import Recorded, Rejected
from exchange.errors import Refusal
from exchange.model import entry as entries
from exchange.model.codec import b64
from tests import builders
from tests.vectors import (
    checking,
    confirming,
    consenting,
    deciding,
    drafting,
    granting,
    inviting,
    listing,
    opening,
    reading,
    releasing,
    requesting,
    retaining,
    stating,
    suiting,
    trusting,
)
from tests.vectors.case import Case, Opening, Posted, answer, founded, opened, posted

HERE = Path(__file__).parent
VECTORS = resources.schemas() / "v1/vectors"
_RUN = re.compile(r"(.)\1{999,}", re.DOTALL)


def text(raw: bytes) -> Any:
    """Bytes as JSON: a string; with its long runs as {fill, times}; or base64 if not UTF-8."""
    try:
        told = raw.decode()
    except UnicodeDecodeError:
        return {"base64": b64(raw)}
    parts: list[Any] = []
    end = 0
    for run in _RUN.finditer(told):
        parts += [told[end : run.start()], {"fill": run[1], "times": len(run[0])}]
        end = run.end()
    return [*parts, told[end:]] if parts else told


def arrived(arrival: Arrival) -> dict[str, Any]:
    return {
        "caller": arrival.caller,
        "taken_ms": arrival.taken_ms,
        "object": text(arrival.raw),
        "body": text(arrival.body),
    }


def expected(made: Posted, world: builders.World, case: Case) -> dict[str, Any]:
    settled, book = answer(made, world.later(*made.documents))
    match settled:
        case Rejected(refusal):
            assert (refusal.code, refusal.at) == (case.code, case.at), case.name
            return {"code": refusal.code.value, "at": refusal.at}
        case Recorded(index):
            assert case.code is None, case.name
            facts = msgspec.to_builtins(entries.decode(book.entries[index - book.base]).facts)
            del facts["salt"]
            return {"index": index, "facts": facts}


def vector(case: Case, world: builders.World, known: str) -> dict[str, Any]:
    made = posted(case, world)
    return {
        "name": case.name,
        "shows": case.shows,
        "world": known,
        "documents": [raw.decode() for raw in made.documents],
        "before": [arrived(each) for each in made.before],
        # Only where there are any: most vectors were frozen before attachments came.
        **({"held": msgspec.to_builtins(made.held)} if made.held else {}),
        **arrived(made.arrival),
        "expect": expected(made, world, case),
    }


def told_opening(case: Opening, world: builders.World, known: str) -> dict[str, Any]:
    envelope = case.make(world)
    found = opened(envelope, list(world.openers[case.recipient]))
    if isinstance(found, Refusal):
        assert (found.code, found.at) == (case.code, case.at), case.name
        expect: dict[str, Any] = {"code": found.code.value, "at": found.at}
    else:
        expect = {"text": found.text.decode(), "salt": b64(found.salt)}
    return {
        "name": case.name,
        "shows": case.shows,
        "world": known,
        "recipient": case.recipient,
        "object": text(envelope.header),
        "body": text(envelope.body),
        "expect": expect,
    }


def public(world: builders.World) -> dict[str, Any]:
    """What everybody knows before the first arrival."""
    return {
        "shows": "EXERCISE: two nations; fold these documents into a view, then judge.",
        "anchor": world.anchor,
        "founded": builders.FOUNDED,
        "documents": [raw.decode() for raw in world.documents],
    }


def write(path: Path, told: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", "utf-8")


def cases() -> Iterable[tuple[str, Case]]:
    accepted = [deciding.ACCEPT, granting.ACCEPT, confirming.ACCEPT, retaining.ACCEPT]
    accepted += [listing.ACCEPT, consenting.ACCEPT, requesting.ACCEPT, releasing.ACCEPT]
    accepted += [inviting.ACCEPT, drafting.ACCEPT]
    for case in chain(*accepted):
        yield "accept", case
    tables = [reading.READING, checking.SUITE, checking.KEYS, checking.BODY]
    tables += [deciding.POLICY, deciding.ORDER, trusting.TRUST, suiting.SPECIAL["xb1-h"]]
    tables += [granting.GRANTS, granting.RELEASES, listing.LISTING]
    tables += [confirming.CONFIRMATIONS, retaining.REFUSE, consenting.REFUSE]
    tables += [requesting.REQUESTS, releasing.REFUSE, inviting.REFUSE, drafting.REFUSE]
    for table in tables:
        for case in table:
            yield "refuse", case


class Shelf(NamedTuple):
    """Where vectors lie below ``schemas/v1/vectors``, and what is written there.

    Those of xb1-h lie at the top; each other suite has a folder, and so has what is between
    endpoints of several.
    """

    folder: str
    world: Callable[[], builders.World]
    cases: Callable[[], Iterable[tuple[str, Case]]]
    openings: list[Opening]

    @property
    def known(self) -> str:
        """The file that holds what everybody knows before the first arrival."""
        return f"{self.folder}/world.json".lstrip("/")

    @property
    def keys(self) -> Path:
        """The recipients' private keys."""
        return HERE / f"opening-keys{'-' if self.folder else ''}{self.folder}.json"


def _by_verdict(found: Iterable[Case]) -> Iterable[tuple[str, Case]]:
    return [("refuse" if case.code else "accept", case) for case in found]


SHELVES = [
    Shelf("", builders.world, cases, opening.OPENING),
    *(
        Shelf(
            suite,
            partial(builders.world, suite),
            partial(_by_verdict, list(suiting.written(suite))),
            opening.OPENING,
        )
        for suite in suiting.OTHERS
    ),
    Shelf("mixed", builders.mixed, partial(_by_verdict, suiting.MIXED), []),
]


def frozen(shelf: Shelf) -> builders.World:
    """The world whose documents were written down; its keys are those of every world."""
    world, path = shelf.world(), VECTORS / shelf.known
    if not path.exists():
        write(path, public(world))
        return world
    told = json.loads(path.read_text("utf-8"))
    documents = [document.encode() for document in told["documents"]]
    return world._replace(anchor=told["anchor"], documents=documents, view=founded(told))


def fill(shelf: Shelf) -> int:
    """Write each vector of a shelf that has no file yet; how many."""
    world, written, folder = frozen(shelf), 0, VECTORS / shelf.folder
    for verdict, case in shelf.cases():
        path = folder / verdict / f"{case.name}.json"
        if not path.exists():
            write(path, vector(case, world, shelf.known))
            written += 1
    for each in shelf.openings:
        path = folder / ("refuse" if each.code else "accept") / f"open-{each.name}.json"
        if not path.exists():
            write(path, told_opening(each, world, shelf.known))
            written += 1
    recipients = sorted({each.recipient for each in shelf.openings})
    if recipients:
        shows = "EXERCISE: X-Wing seeds" if not shelf.folder else "EXERCISE: seeds"
        opens = {name: b64(world.secrets[name].of("open")[0].seed) for name in recipients}
        write(shelf.keys, {"shows": shows, "seeds": opens})
    return written


def main() -> None:
    """Write each vector that has no file yet."""
    written = sum(fill(shelf) for shelf in SHELVES)
    written += stating.fill(frozen(SHELVES[0]))
    sys.stdout.write(f"{written} vectors written\n")


if __name__ == "__main__":
    main()

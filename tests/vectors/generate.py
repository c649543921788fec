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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from exchange import resources
from exchange.broker.intake import Arrival
from exchange.broker.settle import Recorded, Rejected
from exchange.errors import Refusal
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.view import View
from exchange.seal import trust
from tests import builders
from tests.vectors import checking, deciding, granting, opening, reading, stating, trusting
from tests.vectors.case import Case, Opening, Posted, answer, opened, posted

HERE = Path(__file__).parent
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


def vector(case: Case, world: builders.World) -> dict[str, Any]:
    made = posted(case, world)
    return {
        "name": case.name,
        "shows": case.shows,
        "world": "world.json",
        "documents": [raw.decode() for raw in made.documents],
        "before": [arrived(each) for each in made.before],
        **arrived(made.arrival),
        "expect": expected(made, world, case),
    }


def told_opening(case: Opening, world: builders.World) -> dict[str, Any]:
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
        "world": "world.json",
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
    for case in (*deciding.ACCEPT, *granting.ACCEPT):
        yield "accept", case
    tables = (reading.READING, checking.SUITE, checking.KEYS, checking.BODY)
    orders = (deciding.POLICY, deciding.ORDER, trusting.TRUST)
    for table in (*tables, *orders, granting.GRANTS, granting.RELEASES):
        for case in table:
            yield "refuse", case


def frozen(folder: Path) -> builders.World:
    """The world whose documents were written down; its keys are those of every world."""
    world, path = builders.world(), folder / "world.json"
    if not path.exists():
        write(path, public(world))
        return world
    told = json.loads(path.read_text("utf-8"))
    documents = [document.encode() for document in told["documents"]]
    view = View(anchor=told["anchor"])
    for index, document in enumerate(documents):
        view = trust.apply(document, view, index, told["founded"])
    return world._replace(anchor=told["anchor"], documents=documents, view=view)


def main() -> None:
    """Write each vector that has no file yet."""
    folder = resources.schemas() / "v1/vectors"
    world, written = frozen(folder), 0
    for verdict, case in cases():
        path = folder / verdict / f"{case.name}.json"
        if not path.exists():
            write(path, vector(case, world))
            written += 1
    for each in opening.OPENING:
        path = folder / ("refuse" if each.code else "accept") / f"open-{each.name}.json"
        if not path.exists():
            write(path, told_opening(each, world))
            written += 1
    recipients = {each.recipient for each in opening.OPENING}
    opens = {name: b64(world.secrets[name].of("open")[0].seed) for name in sorted(recipients)}
    write(HERE / "opening-keys.json", {"shows": "EXERCISE: X-Wing seeds", "seeds": opens})
    written += stating.fill(world)
    sys.stdout.write(f"{written} vectors written\n")


if __name__ == "__main__":
    main()

"""The verb ``draft``: a template to fill in, an exercise made up, or a STA that is computed."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from exchange import resources
from exchange.cli import computing, options, output, world
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable
from exchange.model import bulletin as bulletins
from exchange.model import draft as drafts
from exchange.model.bulletin import written
from exchange.model.bulletin.varying import vary
from exchange.model.codec import b64
from exchange.seal.tokens import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.model.header import Marking

# By their own times the examples are of this moment.
_EXAMPLES_AT = dt.datetime(2026, 11, 25, 15, 10, tzinfo=dt.UTC)


@click.command()
@click.argument(
    "type_", metavar="TYPE", type=click.Choice(sorted(bulletins.TYPES), case_sensitive=False)
)
@click.option("--random", "is_random", is_flag=True, help="Make up an exercise, as JSON.")
@click.option(
    "--seed", type=int, help="The same number makes up the same exercise, at the same time."
)
@click.option("--from", "since", metavar="DAY", help="Of STA: compute it from this day, UTC.")
@click.option("--to", "until", metavar="DAY", help="Of STA: up to this day, as a whole.")
@options.STATUS
@click.option(
    "--same",
    metavar="ID=ID",
    multiple=True,
    help="Two reports that are of one event, by their ids: count it once. May be said again.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Of a computed STA: write the draft to this new file.",
)
@verb
def draft(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    type_: str,
    *,
    is_random: bool,
    seed: int | None,
    since: str | None,
    until: str | None,
    status: str | None,
    same: tuple[str, ...],
    out: Path | None,
) -> None:
    """Print a commented template of a bulletin of TYPE; edit it, `check` it, `post` it.

    With --from and --to the STA of a period is computed from the seizures, flows and operations
    that this endpoint holds and can read, and it is said from which each figure is.
    """
    if since is not None or until is not None or status or same or out is not None:
        if type_ != "sta" or since is None or until is None or is_random or seed is not None:
            raise Unusable(
                "Se calcula solo STA, con --from y --to, y no al azar.",
                "Only STA is computed, with --from and --to, and not at random.",
            )
        computing.run(session, computing.Wanted(since, until, status, same, out))
        return
    if is_random or seed is not None:
        made = invented(type_, seed, world.now())
        if session.as_json:
            output.show_json({"type": type_, "draft": made})
        else:
            click.echo(json.dumps(made, ensure_ascii=False, indent=1))
        return
    text = drafts.template(type_, session.lang, world.codes())
    if session.as_json:
        output.show_json({"type": type_, "template": text})
    else:
        click.echo(text, nl=False)


def _bytes(pick: Callable[[int], int]) -> bytes:
    return bytes(pick(256) for _ in range(KEY_BYTES))


def invented(type_: str, seed: int | None, now: int) -> dict[str, Any]:
    """Return a valid draft of an exercise, as JSON values.

    Args:
        type_: of the bulletin.
        seed: None makes another one every time.
        now: seconds UTC; its times are about this.
    """
    pick = world.picks(seed)
    index = msgspec.json.decode(
        resources.read("v1/examples/index.json"), type=dict[str, dict[str, str]]
    )
    names = [each for each in index if each.startswith(f"{type_}-")]
    name = names[pick(len(names))]
    read = drafts.read_draft(resources.read(f"v1/examples/{name}"), toml=True)
    codes = world.codes()
    known = index[name]
    example = drafts.complete(read, id=known["id"], origin=known["origin"], codes=codes)
    values = json.loads(bulletins.encode(example))
    later = dt.datetime.fromtimestamp(now - now % 60, dt.UTC) - _EXAMPLES_AT

    made = vary(values, codes, pick, later, hold=_as_written(read.post.marking, now))
    for each in ("schema", "id", "origin", "attachments"):
        made.pop(each, None)
    if "window_key" in made["content"]:
        # The example's is public: under it, anybody could try every subject.
        key = world.randomness(KEY_BYTES) if seed is None else _bytes(pick)
        made["content"]["window_key"] = b64(key)
    return {"post": msgspec.to_builtins(read.post), "bulletin": made}


def _as_written(marking: Marking, now: int) -> Callable[[bulletins.Bulletin], None]:
    """Return what holds a made up bulletin to what its author is held to as well."""

    def hold(made: bulletins.Bulletin) -> None:
        bulletins.check_audience(made, marking, now)
        written.check(made)

    return hold

"""The drafts that the demo tells its case with: all looked at before anything is founded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from exchange.cli import world
from exchange.cli.usage import unreadable
from exchange.errors import Refusal
from exchange.model import draft as drafts
from exchange.model.identity import uuid7

if TYPE_CHECKING:
    from pathlib import Path

NAMES = (
    "voi-1.es.toml",
    "szr-1.es.toml",
    "cor-1.es.toml",
    "rfi-1.es.toml",
    "rpy-2.en.toml",
    "szr-2.en.toml",
    "can-2.en.toml",
    "sta-2.en.toml",
    "dlg-1.es.toml",
)


def look_at(folder: Path) -> None:
    """Hold each draft of the case to what a draft must be.

    Raises:
        Unusable: one of them cannot be read.
        Refusal: what is wrong; its fact ``file`` says in which.
    """
    for name in NAMES:
        path = folder / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise unreadable(path, error, "--inputs") from error
        identity = uuid7(world.clock_ms(), world.randomness(10))
        try:
            read = drafts.read_draft(data, toml=True)
            drafts.complete(read, id=identity, origin="pa.check", codes=world.codes())
        except Refusal as refusal:
            # No text of a refusal has room for a file's name; whoever reads JSON has the fact.
            click.echo(f"{path}:", err=True)
            facts = {**refusal.facts, "file": name}
            raise Refusal(refusal.code, refusal.at, **facts) from refusal

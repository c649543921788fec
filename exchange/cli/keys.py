"""``exchange keys``: the life of this endpoint's keys, and of those its nation lists."""

from __future__ import annotations

from exchange.cli.keying.admitting import admit, publish
from exchange.cli.keying.ending import destroy
from exchange.cli.keying.keeping import backup
from exchange.cli.keying.making import new, rotate
from exchange.cli.keying.restoring import restore
from exchange.cli.keying.showing import show
from exchange.cli.main import group


@group
def keys() -> None:
    """Keys of this endpoint: make, show, rotate, back up, restore, destroy; and list them."""


for each in (new, show, rotate, backup, restore, destroy, admit, publish):
    keys.add_command(each)

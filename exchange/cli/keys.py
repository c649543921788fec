"""``exchange keys``: the life of this endpoint's keys, and of those its nation lists."""

from __future__ import annotations

from exchange.cli.keying.admitting import admit, publish
from exchange.cli.keying.ending import destroy
from exchange.cli.keying.keeping import backup
from exchange.cli.keying.making import new, rotate
from exchange.cli.keying.restoring import restore
from exchange.cli.keying.sharing import share, unshare
from exchange.cli.keying.showing import show
from exchange.cli.main import group


@group
def keys() -> None:
    """Keys of this endpoint: make, show, rotate, back up, share, restore, destroy, list."""


for each in (new, show, rotate, backup, restore, share, unshare, destroy, admit, publish):
    keys.add_command(each)

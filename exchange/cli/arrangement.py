"""``exchange arrangement``: what two nations agreed, and who may change it."""

from __future__ import annotations

from exchange.cli.arranging.showing import diff, show, verify
from exchange.cli.main import group


@group
def arrangement() -> None:
    """What is in force: show it, compare two moments of it, verify it from the anchor."""


for each in (show, diff, verify):
    arrangement.add_command(each)

"""``exchange arrangement``: what two nations agree on, by files that travel between them."""

from __future__ import annotations

from exchange.cli.arranging.handing import hand_over
from exchange.cli.arranging.joining import fetch, install, join, pin
from exchange.cli.arranging.proposing import propose
from exchange.cli.arranging.recording import minutes
from exchange.cli.arranging.showing import diff, show, verify
from exchange.cli.arranging.signing import approve, sign
from exchange.cli.arranging.starting import init
from exchange.cli.main import group


@group
def arrangement() -> None:
    """What the nations agreed: make keys, propose, sign, approve, record; show and verify."""


for each in (init, propose, diff, sign, approve, minutes, show, verify):
    arrangement.add_command(each)
for each in (fetch, install, join, pin, hand_over):
    arrangement.add_command(each)

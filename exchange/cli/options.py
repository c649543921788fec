"""Options that several commands have, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from exchange.cli import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")

STATE = click.option(
    "--state",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The node's folder.",
)
STATUS = click.option(
    "--status",
    type=click.Choice(["actual", "exercise", "test"]),
    help="Bulletins that count. Else: exercise where the arrangement is one, or actual.",
)
CLOCK = click.option(
    "--clock-is-right",
    is_flag=True,
    envvar="EXCHANGE_CLOCK_IS_RIGHT",
    help="This machine's clock was held to another one: "
    "for one start of a node that was off for days.",
)


def anchor(*, required: bool = False) -> Callable[[Command], Command]:
    """Return the option by which somebody who trusts nobody brings the anchor."""
    return click.option(
        "--anchor",
        required=required,
        type=fingerprint.Digest(),
        help="Digest of the first root, or its 24 words, as the custodians read them aloud.",
    )

"""The command line, and the composition root: the only place where adapters are picked."""

from __future__ import annotations


def main() -> None:
    """Run the ``exchange`` command."""
    from exchange.cli.sparing import spared  # noqa: PLC0415  (start-up: nothing before it is needed)

    with spared():
        from exchange.cli.main import run  # noqa: PLC0415

    run()

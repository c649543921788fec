"""The command line, and the composition root: the only place where adapters are picked."""

from __future__ import annotations

_INTERRUPTED = 130


def main() -> None:
    """Run the ``exchange`` command."""
    try:
        from exchange.cli.sparing import spared  # noqa: PLC0415  (start-up: nothing before it is needed)

        with spared():
            from exchange.cli.main import run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        # Ctrl-C before there is a command line to end.
        raise SystemExit(_INTERRUPTED) from None

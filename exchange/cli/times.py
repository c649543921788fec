"""Times as the command line writes them."""

from exchange.render.times import zulu, zulu_ms

__all__ = ["zulu", "zulu_ms"]

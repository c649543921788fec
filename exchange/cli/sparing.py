"""Load parts of the program without what libraries would load for uses that are not ours."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# structlog would draw errors with the one, and tuf speak to tokens by the other, which brings
# asn1crypto with it: 14 MiB of a node. Neither library minds that it is not there.
SPARED = ("rich", "pkcs11")


@contextmanager
def spared() -> Iterator[None]:
    """Have these two taken for absent meanwhile; whoever asks for them afterwards has them."""
    absent = [name for name in SPARED if name not in sys.modules]
    for name in absent:
        # As Python has it: what is None there cannot be imported.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]

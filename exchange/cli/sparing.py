"""Load parts of the program without what their libraries would load for uses that are not ours."""

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
    sys.modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from exchange.custody import container

if TYPE_CHECKING:
    from collections.abc import Iterator

SEAL = container.seal_bytes


@pytest.fixture(scope="module", autouse=True)
def _stretched_each_time() -> Iterator[None]:
    """Here the stretching itself is tested: each salt is drawn, and nothing is remembered."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(container, "Argon2id", Argon2id)
        patched.setattr(container, "seal_bytes", SEAL)
        yield

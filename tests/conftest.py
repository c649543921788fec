"""What every test run shares: one hypothesis profile, and the list of skips in CI."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from exchange.custody import container
from tests import skips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# No deadline: a busy machine is not a broken test. In CI the same examples every time.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)


def pytest_configure(config: pytest.Config) -> None:
    in_ci = os.environ.get("CI") == "true"
    hypothesis.settings.load_profile("ci" if in_ci else "here")
    if in_ci and not hasattr(config, "workerinput"):  # under xdist, the controller sees all
        listed = skips.read(Path(__file__).with_name("skips.toml"))
        config.pluginmanager.register(skips.Watch(config.rootpath, listed))


@pytest.fixture(scope="session", autouse=True)
def _stretched_once() -> Iterator[None]:
    """Stretch a passphrase once for each salt and cost, and seal under one salt.

    Else it is three quarters of a command, and nearly all of a founding; what it comes to is
    the same each time. ``tests/custody`` and whatever runs in a process of its own know
    nothing of this.
    """
    whole = container.seal_bytes

    @cache
    def derived(told: tuple[tuple[str, bytes | int], ...], passphrase: bytes) -> bytes:
        return Argon2id(**dict(told)).derive(passphrase)  # type: ignore[arg-type]

    class Remembering:
        def __init__(self, **told: bytes | int) -> None:
            self.told = tuple(told.items())

        def derive(self, passphrase: bytes) -> bytes:
            return derived(self.told, passphrase)

    def sealed(
        kind: container.Kind,
        holder: str,
        plain: bytes,
        passphrase: str,
        randomness: Callable[[int], bytes],
    ) -> bytes:
        drawn = iter([b"TEST, same salts"])  # it is drawn first
        return whole(
            kind, holder, plain, passphrase, lambda size: next(drawn, None) or randomness(size)
        )

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(container, "Argon2id", Remembering)
        patched.setattr(container, "seal_bytes", sealed)
        yield

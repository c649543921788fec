"""Keys end: how long before it is said, and of whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from exchange.model.identity import ALPHA3

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from exchange.model.trust import Endpoint, EndpointKey
    from exchange.model.view import View

DAY_S = 86_400
# A month to have new keys listed by another nation's calendar, a week, and the last day.
STEPS_DAYS = (1, 7, 30)


class Lapse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When an endpoint will no longer be able to sign, or to be sealed to, as things stand."""

    use: Literal["sig", "enc"]
    until: int

    def step(self, now: int) -> int | None:
        """Return the step in days that was reached: 30, 7, 1, or 0 once it is over."""
        if self.until <= now:
            return 0
        return next((days for days in STEPS_DAYS if self.until - now <= days * DAY_S), None)

    def days(self, now: int) -> int:
        """Return the whole days that are left; negative since it ended."""
        return (self.until - now) // DAY_S


def files(view: View) -> dict[str, int]:
    """Return when each file that custodians sign ends (seconds UTC), by its role."""
    found = {role: view.files.get(role) for role in ("root", "targets", *ALPHA3)}
    return {role: file.expires for role, file in found.items() if file is not None}


def lapses(endpoint: Endpoint, signing: Collection[str] | None = None) -> list[Lapse]:
    """Return when each use of an endpoint's keys ends, by the newest key of each algorithm.

    Args:
        endpoint: as the directory has it.
        signing: thumbprints of the signing keys in use, where they are known: a successor that
            is listed and not in use yet helps nobody.
    """
    signs = [key for key in endpoint.keys if key.use == "sig"]
    if signing is not None:
        signs = [key for key in signs if key.jwk.kid in signing]
    opens = [key for key in endpoint.keys if key.use == "enc"]
    # All of a suite must sign, and who sends by another suite needs another opening key: the
    # first that ends, ends something.
    found = [Lapse("sig", min(_newest(signs)))] if signs else []
    return found + ([Lapse("enc", min(_newest(opens)))] if opens else [])


def _newest(keys: Iterable[EndpointKey]) -> Iterable[int]:
    newest: dict[str, int] = {}
    for key in keys:
        newest[key.jwk.alg] = max(key.until, newest.get(key.jwk.alg, 0))
    return newest.values()


def counts(view: View, now: int) -> dict[int, int]:
    """Return how many active endpoints have a key that ends within each step, or has ended (0).

    Each step counts those of the steps before it too.
    """
    found = dict.fromkeys((0, *STEPS_DAYS), 0)
    for standing in view.endpoints.values():
        if standing.is_active and standing.endpoint.keys:
            reached = [
                step
                for lapse in lapses(standing.endpoint)
                if (step := lapse.step(now)) is not None
            ]
            for step in found:
                found[step] += bool(reached) and min(reached) <= step
    return found

"""Dice that fall the same way for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import shake_256
from itertools import count
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """The same choices for the same seed: SHAKE256 over the seed and a counter."""

    def __init__(self, seed: str) -> None:
        self._seed, self._rolls = seed.encode(), count()

    def fork(self, name: str) -> Dice:
        return Dice(f"{self._seed.decode()}/{name}")

    def below(self, limit: int) -> int:
        rolled = shake_256(self._seed + b"\0%d" % next(self._rolls)).digest(8)
        return int.from_bytes(rolled) % limit

    def pick(self, among: Sequence[T]) -> T:
        return among[self.below(len(among))]

    def some(self, among: Sequence[T]) -> list[T]:
        """At least one of them, in their order."""
        chosen = 1 + self.below(2 ** len(among) - 1)
        return [each for place, each in enumerate(among) if chosen >> place & 1]

    def shuffled(self, among: Sequence[T]) -> list[T]:
        left = list(among)
        return [left.pop(self.below(len(left))) for _ in range(len(left))]

    def seconds(self, least: float, most: float) -> float:
        return least + (most - least) * self.below(1000) / 1000

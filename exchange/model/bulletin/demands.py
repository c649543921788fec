"""How a rule refuses: ``wrong-value`` at its place, with the name of what was expected."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence


class Breach(NamedTuple):
    """A rule that a text breaks: where, which, and the values that the rule joins."""

    at: str
    rule: str
    about: Any


def refuse(at: str, rule: str) -> NoReturn:
    """Refuse what breaks a rule."""
    raise Refusal(Code.WRONG_VALUE, at, expected=rule)


def must(holds: bool, at: str, rule: str) -> None:
    """Refuse unless it holds."""
    if not holds:
        refuse(at, rule)


def ascending(values: Sequence[int | str], at: str, rule: str) -> None:
    """Refuse values that do not grow from each to the next."""
    must(all(first < second for first, second in pairwise(values)), at, rule)  # type: ignore[operator]


def numbered(numbers: Sequence[int], at: str) -> None:
    """Refuse numbers other than 1, 2, 3 and so on."""
    must(list(numbers) == list(range(1, len(numbers) + 1)), at, "numbered")

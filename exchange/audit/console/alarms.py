"""What an auditor must not overlook: of checkpoints, witnesses and verification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from exchange.journal import quorum

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exchange.audit.console.background import Checked
    from exchange.audit.console.standing import Standing
    from exchange.errors import ExchangeError

# A node signs anew every minute, and warns of itself after two.
OLD_S: Final = 120

Tone = Literal["bad", "warn"]


class Alarm(NamedTuple):
    """One alarm: how loud, what (a key of the catalogue), of which node, and its facts."""

    tone: Tone
    what: str
    node: str
    code: str = ""
    seconds: int = 0


def of(
    standings: Sequence[Standing],
    checked: Mapping[str, Checked],
    trouble: ExchangeError | None,
    now: int | None,
) -> list[Alarm]:
    """Return what must not be overlooked, the loudest first.

    Args:
        standings: how each journal stands.
        checked: what verification came to, by node.
        trouble: what keeps nodes from being followed, if anything does.
        now: seconds UTC; None where nodes are not followed, and so nothing is late.
    """
    found = [alarm for each in standings for alarm in _of_checkpoint(each, now)]
    for node, each in checked.items():
        found += _of_verification(node, each)
    if trouble is not None:
        found.append(Alarm("warn", "away", "", trouble.code.value))
    return sorted(found, key=lambda each: each.tone != "bad")


def _of_checkpoint(found: Standing, now: int | None) -> Iterator[Alarm]:
    node, signed, vouched = found.node, found.signed, found.vouched
    if signed is None:
        yield Alarm("bad", "unsigned", node)
    elif signed.code:
        yield Alarm("bad", "checkpoint", node, signed.code)
    elif now is not None and now - signed.at > OLD_S:
        yield Alarm("warn", "old", node, seconds=now - signed.at)
    if vouched is not None and vouched.code:
        yield Alarm("bad", "cosignature", node, vouched.code)
    elif found.quorum != quorum.NONE and vouched is None:
        yield Alarm("warn", "unwitnessed", node)
    elif vouched is not None and not vouched.is_quorum:
        yield Alarm("warn", "no-quorum", node)


def _of_verification(node: str, checked: Checked) -> Iterator[Alarm]:
    report = checked.report
    if checked.error is not None:
        yield Alarm("bad", "unverifiable", node, checked.error.code.value)
    elif report is not None and not report.ok:
        first = next(each for each in report.checks if not each.ok)
        yield Alarm("bad", "tampered", node, first.name)
    elif report is not None and not report.anchored:
        yield Alarm("warn", "unanchored", node)

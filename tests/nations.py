"""The exercise's feeds and agencies: what ``builders.world`` is founded with."""

from __future__ import annotations

from typing import Any

from exchange.custody.founding import EndpointPlan, MemberPlan
from exchange.model.trust import Feed, Label

ALL = ("us.jiatfs", "us.oig", "us.uscg")
_LABEL: Label = {"es": "EJERCICIO", "en": "EXERCISE"}


def feeds() -> list[Feed]:
    """Feeds whose posting and reading members differ, so that each rule can be hit."""
    return [
        Feed(
            "maritime",
            _LABEL,
            ["voi", "szr", "cor", "can"],
            ["pa.senan", "us.jiatfs", "us.uscg"],
            ["pa.senan", *ALL],
        ),
        Feed(
            "requests",
            _LABEL,
            ["rfi", "rpy", "cor", "can"],
            ["pa.senan", "us.jiatfs"],
            ["pa.senan", "us.jiatfs"],
        ),
        Feed(
            "dialogue",
            _LABEL,
            ["sta", "dlg", "cor", "can"],
            ["pa.minsa"],
            ["pa.minsa", "pa.senan", "us.jiatfs"],
        ),
    ]


def members() -> list[MemberPlan]:
    """The agencies of both nations, with an auditor each."""

    def plan(name: str, *endpoints: tuple[str, tuple[Any, ...]]) -> MemberPlan:
        made = [EndpointPlan(f"{name}/{what}", _LABEL, roles) for what, roles in endpoints]
        return MemberPlan(name, _LABEL, tuple(made))

    both = ("poster", "reader")
    return [
        plan("pa.senan", ("ops", both), ("desk", ("reader",))),
        plan("pa.minsa", ("ops", (*both, "operator"))),
        plan("pa.contraloria", ("audit", ("auditor",))),
        plan("us.jiatfs", ("watch", both), ("desk", both)),
        plan("us.uscg", ("ops", both)),
        plan("us.oig", ("audit", ("auditor",))),
    ]

"""Rules of what desks settle: boarding, joint operations, deconfliction, consent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchange.model.bulletin import boarding, operations, requests
from exchange.model.bulletin.demands import ascending, must

if TYPE_CHECKING:
    from collections.abc import Callable

RULES = (
    "boarded-vessel",
    "boarding-conditions",
    "boarding-nationality",
    "boarding-times",
    "boarding-valid",
    "consent-answer",
    "consent-request",
    "deconfliction-answer",
    "deconfliction-open",
    "deconfliction-subjects",
    "force-account",
    "handover-told",
    "operation-results",
    "target-brq",
)


def _reply(content: boarding.BoardingReply, at: str) -> None:
    must(content.target.type == "brq", f"{at}/target/type", "target-brq")
    decision = content.boarding_decision
    told = decision in ("authorise-with-conditions", "alternative")
    must(told == (content.conditions is not None), f"{at}/conditions", "boarding-conditions")
    given = decision in ("authorise", "authorise-with-conditions")
    must(given == (content.valid_until is not None), f"{at}/valid_until", "boarding-valid")
    told = bool(content.actions_authorised)
    must(given == told, f"{at}/actions_authorised", "boarding-valid")
    is_ours = content.nationality_finding != "refuted"
    must(is_ours or not given, f"{at}/boarding_decision", "boarding-nationality")


def _result(content: boarding.BoardingResult, at: str) -> None:
    asked = content.target is None or content.target.type == "brq"
    must(asked, f"{at}/target/type", "target-brq")
    # A vessel may be sunk or let go while persons or evidence are handed over.
    told = content.disposition != "handed-over" or content.handover is not None
    must(told, f"{at}/handover", "handover-told")
    known = content.target is not None or content.vessel is not None
    must(known, f"{at}/vessel", "boarded-vessel")
    must(content.boarded_at <= content.ended_at, f"{at}/ended_at", "boarding-times")
    used = content.force != "none"
    must(used == (content.force_account is not None), f"{at}/force_account", "force-account")


def _operation(content: operations.JointOperation, at: str) -> None:
    told = content.results is not None
    possible = content.phase in ("under-way", "ended")
    must(possible if told else content.phase != "ended", f"{at}/results", "operation-results")


def _deconfliction(content: operations.Deconfliction, at: str) -> None:
    ascending(content.cells, f"{at}/cells", "sorted-set")
    ascending(content.tokens, f"{at}/tokens", "sorted-set")
    has = (
        content.window_key is not None,
        content.target.type if content.target is not None else "",
        bool(content.tokens),
        content.key_check is not None,
        content.deconfliction_answer is not None,
    )
    step = content.deconfliction_step
    must(has == _STEPS[step], at, f"deconfliction-{step}")


# What each step has: the window's key, a target, tokens, their key's check, an answer.
_STEPS = {
    "open": (True, "", False, False, False),
    "subjects": (False, "dcf", True, True, False),
    "answer": (False, "dcf", False, False, True),
}


def _consent(content: requests.ReleaseConsent, at: str) -> None:
    by, answer = content.reply_by is not None, content.consent is not None
    if content.consent_step == "request":
        must(by and not answer, at, "consent-request")
    else:
        must(answer and not by and content.target.type == "con", at, "consent-answer")


OF_STRUCT: dict[type, Callable[[Any, str], None]] = {
    boarding.BoardingReply: _reply,
    boarding.BoardingResult: _result,
    operations.JointOperation: _operation,
    operations.Deconfliction: _deconfliction,
    requests.ReleaseConsent: _consent,
}

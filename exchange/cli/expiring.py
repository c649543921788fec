"""Say that a key is about to end: 30 days ahead, 7, 1, and once it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchange.cli.times import zulu
from exchange.policy import expiry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.codes import Lang
    from exchange.model.view import View
    from exchange.policy.expiry import Lapse


def rows(lapses: Sequence[Lapse], now: int) -> list[dict[str, Any]]:
    """Return those that are to be told, as plain values."""
    return [
        {
            "use": lapse.use,
            "until": zulu(lapse.until),
            "days_left": lapse.days(now),
            "step": step,
        }
        for lapse in lapses
        if (step := lapse.step(now)) is not None
    ]


def line(row: dict[str, Any], endpoint: str, lang: Lang) -> str:
    """Return one of them as a person reads it."""
    day, left = row["until"][:16].replace("T", " ") + "Z", row["days_left"]
    option = " --signing" if row["use"] == "sig" else ""
    signs = row["use"] == "sig"
    if lang == "es":
        what = "La clave de firma" if signs else "La clave con que otros sellan para"
        whose = f"{what} de {endpoint}" if signs else f"{what} {endpoint}"
        when = "venció el" if row["step"] == 0 else f"vence en {_days_es(left)}, el"
        return f"¡Atención! {whose} {when} {day}: exchange keys rotate{option}"
    what = "The signing key of" if signs else "The key that others seal to for"
    when = "expired on" if row["step"] == 0 else f"expires in {_days_en(left)}, on"
    return f"Warning! {what} {endpoint} {when} {day}: exchange keys rotate{option}"


# Custodians of both nations have to be gathered: three months are not long for that.
_FILE_DAYS = 90


def files(view: View, now: int) -> list[dict[str, Any]]:
    """Return the files of the custodians that are about to end, or have ended, first first."""
    return [
        {"role": role, "until": zulu(until), "days_left": (until - now) // expiry.DAY_S}
        for role, until in sorted(expiry.files(view).items(), key=lambda each: each[1])
        if until - now < _FILE_DAYS * expiry.DAY_S
    ]


def file_line(row: dict[str, Any], lang: Lang) -> str:
    """Return one of them as a person reads it."""
    day, left, role = row["until"][:16].replace("T", " ") + "Z", row["days_left"], row["role"]
    cure = f"exchange arrangement propose --refresh {role}"
    if lang == "es":
        when = f"vence en {_days_es(left)}, el" if left >= 0 else "venció el"
        return f"¡Atención! Lo que firmaron los custodios ({role}) {when} {day}: {cure}"
    when = f"ends in {_days_en(left)}, on" if left >= 0 else "ended on"
    return f"Warning! What the custodians signed ({role}) {when} {day}: {cure}"


def _days_es(left: int) -> str:
    return "menos de un día" if left < 1 else f"{left} día{'s' if left > 1 else ''}"


def _days_en(left: int) -> str:
    return "less than a day" if left < 1 else f"{left} day{'s' if left > 1 else ''}"

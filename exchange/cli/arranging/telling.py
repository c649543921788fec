"""A proposal as people are shown it: what changes, who signs, and its fingerprint in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from exchange.cli import fingerprint, output
from exchange.model.codes import LANGUAGES
from exchange.render import agreement
from exchange.render.visible import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.cli.main import Session
    from exchange.custody.possession import How, Shown
    from exchange.custody.proposal import Proposal, Step
    from exchange.model.codes import Lang
    from exchange.model.view import View

_TITLES: dict[Lang, tuple[str, str, str, str]] = {
    "es": ("QUÉ CAMBIA", "(nada más que la validez)", "QUIÉN FIRMA", "de {nation}: {names}"),
    "en": ("WHAT CHANGES", "(nothing but how long it is good)", "WHO SIGNS",
           "of {nation}: {names}"),
}  # fmt: skip
_HOLDERS: dict[Lang, tuple[str, str]] = {
    "es": ("QUIÉN MOSTRÓ TENER LAS CLAVES NUEVAS", "(no hay claves nuevas)"),
    "en": ("WHO SHOWED THAT THE NEW KEYS ARE HELD", "(there are no new keys)"),
}
_HOWS: dict[Lang, dict[How, str]] = {
    "es": {
        "first": "firmó con las claves nuevas; de quién son solo lo dice su huella, de voz",
        "in-force": "firmó con sus claves vigentes y con las nuevas",
        "invited": "firmó con las claves nuevas; {vouchers}",
        "anew": "NO FIRMÓ CON LAS CLAVES QUE TENÍA: solo con las nuevas. Que es quien dice lo"
        " avalan personas; su huella, de viva voz",
        "again": "FUE CUSTODIO Y DEJÓ DE SERLO: firmó con las claves que tenía. Que nadie más"
        " las tiene lo avalan personas; su huella, de viva voz",
    },
    "en": {
        "first": "signed by the new keys; whose they are its fingerprint alone says, by voice",
        "in-force": "signed by its keys in force and by the new ones",
        "invited": "signed by the new keys; {vouchers}",
        "anew": "NOT SIGNED BY THE KEYS IT HAD: by the new ones alone. That it is who it says,"
        " people vouch for; its fingerprint, by voice",
        "again": "WAS A CUSTODIAN AND LEFT: signed by the keys of that time. That nobody else"
        " has them, people vouch for; its fingerprint, by voice",
    },
}
_VOUCHED: dict[Lang, str] = {
    "es": "invitó {} ({}), aprobó {} ({})",
    "en": "invited by {} ({}), approved by {} ({})",
}
_ANCHOR = "ANCLA DEL ARREGLO VIGENTE / ANCHOR OF THE ARRANGEMENT IN FORCE"
_SHOWN = "HUELLA DE LA TARJETA O SOLICITUD / FINGERPRINT OF THE CARD OR REQUEST"
_KEYS = "SUS CLAVES, COMO SE LISTAN / ITS KEYS, AS THEY ARE LISTED"
_FOUNDING = "FUNDACIÓN: AÚN NO HAY ANCLA / FOUNDING: THERE IS NO ANCHOR YET"


def changes(steps: Sequence[Step]) -> dict[Lang, list[str]]:
    """Return what a proposal changes, part by part, in words of each language."""
    told = [differences(step.before, step.after) for step in steps]
    return {lang: [line for each in told for line in each[lang]] for lang in LANGUAGES}


def differences(before: View, after: View) -> dict[Lang, list[str]]:
    """Return what differs between two views, in words of each language."""
    return {lang: agreement.changes(before, after, lang) for lang in LANGUAGES}


def signers(steps: Sequence[Step]) -> dict[str, dict[str, list[str]]]:
    """Return whose signatures each part takes, by nation."""
    found: dict[str, dict[str, list[str]]] = {}
    for step in steps:
        mine = found.setdefault(step.part.role, {})
        for nation, each in step.signatories:
            mine.setdefault(nation, []).append(each.name)
    return found


def holders(steps: Sequence[Step], lang: Lang) -> list[str]:
    """Return, in words, how it was shown that each key which is new is held by somebody."""
    told = []
    for each in shown(steps):
        vouchers = ""
        if each.vouchers is not None:
            named = [part for one in each.vouchers for part in (one.officer, one.endpoint)]
            vouchers = _VOUCHED[lang].format(*map(visible, named))
        told.append(f"{each.name}: {_HOWS[lang][each.how].format(vouchers=vouchers)}")
    return told


def shown(steps: Sequence[Step]) -> list[Shown]:
    """Return the cards and requests by which new keys were shown, in their order."""
    return [each for step in steps for each in step.shown]


def page(proposal: Proposal, steps: Sequence[Step]) -> list[str]:
    """Return what is to be signed, in both languages: the same page for either delegation."""
    told, asked, lines = changes(steps), signers(steps), []
    for lang in LANGUAGES:
        title, nothing, who, of = _TITLES[lang]
        lines += [title, *(f"  {each}" for each in told[lang] or [nothing]), who]
        for role, nations in asked.items():
            names = [
                of.format(nation=nation, names=", ".join(names))
                for nation, names in nations.items()
            ]
            lines.append(f"  {role}: {'; '.join(names)}")
        title, nothing = _HOLDERS[lang]
        lines += [title, *(f"  {each}" for each in holders(steps, lang) or [nothing]), ""]
    anchor = proposal.base.anchor
    return [
        *lines,
        *_fingerprints(steps),
        *([_FOUNDING] if anchor is None else [_ANCHOR, *fingerprint.lines(anchor)]),
        "",
        "HUELLA DE LA PROPUESTA / FINGERPRINT OF THE PROPOSAL",
        *fingerprint.lines(proposal.digest),
    ]


def _fingerprints(steps: Sequence[Step]) -> list[str]:
    """Return what is compared by voice of each who is not known by keys in force.

    With the keys that it shows: by them it is found again under what changes.
    """
    lines: list[str] = []
    for each in shown(steps):
        if each.how != "in-force":
            lines += [f"{_SHOWN}: {each.name}", *fingerprint.lines(each.digest)]
            lines += [_KEYS, *(f"  {kid}" for kid in each.kids), ""]
    return lines


def facts(proposal: Proposal, steps: Sequence[Step]) -> dict[str, Any]:
    """Return the same for programs."""
    anchor = proposal.base.anchor
    return {
        "proposal": proposal.digest,
        "words": fingerprint.spoken(proposal.digest),
        "anchor": anchor,
        "anchor_words": anchor and fingerprint.spoken(anchor),
        "changes": changes(steps),
        "signers": signers(steps),
        "shown": [_fact(each) for each in shown(steps)],
    }


def _fact(shown: Shown) -> dict[str, Any]:
    vouchers: dict[str, str] = {}
    if shown.vouchers is not None:
        invited, approved = shown.vouchers
        vouchers["invited_by"] = f"{invited.endpoint} {invited.officer}"
        vouchers["approved_by"] = f"{approved.endpoint} {approved.officer}"
    return {
        "kind": shown.kind,
        "name": shown.name,
        "how": shown.how,
        "digest": shown.digest,
        "kids": list(shown.kids),
        "words": fingerprint.spoken(shown.digest),
        **vouchers,
    }


def show(
    session: Session, proposal: Proposal, steps: Sequence[Step], more: dict[str, Any]
) -> None:
    """Show a proposal; ``more`` is told to programs beside it."""
    if session.as_json:
        output.show_json({**facts(proposal, steps), **more})
    else:
        click.echo("\n".join(page(proposal, steps)))

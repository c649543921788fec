"""A proposal as people are shown it: what changes, who signs, and its fingerprint in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from exchange.cli import fingerprint, output
from exchange.model.codes import LANGUAGES
from exchange.render import agreement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.cli.main import Session
    from exchange.custody.proposal import Proposal, Step
    from exchange.model.codes import Lang
    from exchange.model.view import View

_TITLES: dict[Lang, tuple[str, str, str, str]] = {
    "es": ("QUÉ CAMBIA", "(nada más que la validez)", "QUIÉN FIRMA", "de {nation}: {names}"),
    "en": ("WHAT CHANGES", "(nothing but how long it is good)", "WHO SIGNS",
           "of {nation}: {names}"),
}  # fmt: skip
_ANCHOR = "ANCLA DEL ARREGLO VIGENTE / ANCHOR OF THE ARRANGEMENT IN FORCE"
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
        lines.append("")
    anchor = proposal.base.anchor
    return [
        *lines,
        *([_FOUNDING] if anchor is None else [_ANCHOR, *fingerprint.lines(anchor)]),
        "",
        "HUELLA DE LA PROPUESTA / FINGERPRINT OF THE PROPOSAL",
        *fingerprint.lines(proposal.digest),
    ]


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
    }


def show(
    session: Session, proposal: Proposal, steps: Sequence[Step], more: dict[str, Any]
) -> None:
    """Show a proposal; ``more`` is told to programs beside it."""
    if session.as_json:
        output.show_json({**facts(proposal, steps), **more})
    else:
        click.echo("\n".join(page(proposal, steps)))

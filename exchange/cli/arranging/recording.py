"""``arrangement minutes``: the record of a ceremony, the same bytes from the same files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from exchange.cli import fingerprint, output, world
from exchange.cli.arranging import folder, telling
from exchange.cli.arranging.proposing import ANCHOR, TRUST
from exchange.cli.arranging.signing import CONSENTS, PROPOSAL, together
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.custody import proposal
from exchange.model.identity import digest
from exchange.render.visible import visible

if TYPE_CHECKING:
    from exchange.cli.arranging.signing import Together
    from exchange.model.codes import Lang


class _Told(NamedTuple):
    """Where and when, as people say it: no machine vouches for either."""

    place: str
    date: str


_TEXT: dict[Lang, dict[str, str]] = {
    "es": {
        "title": "# Acta",
        "exercise": "**EJERCICIO**",
        "name": "Arreglo",
        "place": "Lugar",
        "date": "Fecha",
        "proposed": "Propuesta escrita",
        "changes": "## Lo acordado",
        "nothing": "Nada más que la validez.",
        "shown": "## Quién mostró tener las claves nuevas",
        "no_keys": "No hay claves nuevas.",
        "signed": "## Quién firmó",
        "head": "| documento | versión | firmado por | SHA-256 (base64url) |",
        "present": "## Firmas de puño y letra",
        "line": "| custodio | firma |",
        "words": "## Huellas leídas en voz alta",
        "proposal": "Propuesta:",
        "anchor": "Ancla (primera raíz):",
        "all": "Cada documento lleva las firmas de quienes se nombran, comprobadas al hacer"
        " esta acta. Los mismos archivos dan la misma acta, byte por byte.",
    },
    "en": {
        "title": "# Minutes",
        "exercise": "**EXERCISE**",
        "name": "Arrangement",
        "place": "Place",
        "date": "Date",
        "proposed": "Proposal written",
        "changes": "## What was agreed",
        "nothing": "Nothing but how long it is good.",
        "shown": "## Who showed that the new keys are held",
        "no_keys": "There are no new keys.",
        "signed": "## Who signed",
        "head": "| document | version | signed by | SHA-256 (base64url) |",
        "present": "## Signatures by hand",
        "line": "| custodian | signature |",
        "words": "## Fingerprints read aloud",
        "proposal": "Proposal:",
        "anchor": "Anchor (first root):",
        "all": "Each document bears the signatures of those named, verified when these minutes"
        " were made. The same files make the same minutes, byte by byte.",
    },
}


@click.command()
@PROPOSAL
@CONSENTS
@TRUST
@ANCHOR
@click.option("--place", required=True, help="Where it was, as it shall be read.")
@click.option("--date", "day", required=True, help="When it was, as it shall be read.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the minutes (Markdown).",
)
@verb
def minutes(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    proposed: Path,
    signed: tuple[Path, ...],
    *,
    kept: Path,
    anchor: str | None,
    place: str,
    day: str,
    out: Path,
) -> None:
    """Write the minutes of what a PROPOSAL and its SIGNATURE files made, in both languages.

    Before `approve` or after it; from the same files they are the same, byte for byte.
    """
    output.must_be_new(out)
    for text in (place, day):
        if visible(text) != text or not text.strip() or "|" in text:
            raise Unusable(
                f"{visible(text)}: una línea de texto.", f"{visible(text)}: one line of text."
            )
    made = proposal.read(proposed.read_bytes())
    known = folder.read(kept, anchor, world.now(), founded_by=made)
    whole = together(known, made, signed, None)
    raw = "\n".join(_page(whole, _Told(place, day))).encode() + b"\n"
    output.write_new(out, raw)
    if session.as_json:
        output.show_json({"file": str(out), "digest": digest(raw)})
    session.say(f"Acta en {out}.", f"Minutes in {out}.")


def _page(whole: Together, told: _Told) -> list[str]:
    lines = []
    for lang, words in _TEXT.items():
        lines += _section(whole, told, lang, words)
    # Once: both delegations read the same page aloud.
    titles = " / ".join(words["words"].removeprefix("## ") for words in _TEXT.values())
    lines += [f"## {titles}", ""]
    for name, named in (
        ("proposal", whole.proposal.digest),
        ("anchor", whole.agreed.view.anchor),
    ):
        title = " / ".join(words[name] for words in _TEXT.values())
        lines += [title, "", "```", *fingerprint.lines(named), "```", ""]
    return lines[:-1]


def _section(whole: Together, told: _Told, lang: Lang, words: dict[str, str]) -> list[str]:
    agreed = whole.agreed.view.agreed()
    changed = telling.changes(whole.steps)[lang] or [words["nothing"]]
    holders = telling.holders(whole.steps, lang) or [words["no_keys"]]
    head = [words["title"], ""]
    if agreed.exercise:
        head += [words["exercise"], ""]
    rows = [
        f"| {step.part.role} | {step.part.read.version} | {', '.join(names)} | {digest(raw)} |"
        for step, names, raw in zip(
            whole.steps, whole.agreed.names, whole.agreed.bundles, strict=True
        )
    ]
    everyone = dict.fromkeys(name for names in whole.agreed.names for name in names)
    return [
        *head,
        f"- {words['name']}: {_plain(agreed.name[lang])}",
        f"- {words['place']}: {told.place}",
        f"- {words['date']}: {told.date}",
        f"- {words['proposed']}: {zulu(whole.proposal.issued)}",
        "",
        words["changes"],
        "",
        *(f"- {_plain(line)}" for line in changed),
        "",
        words["shown"],
        "",
        *(f"- {_plain(line)}" for line in holders),
        "",
        words["signed"],
        "",
        words["head"],
        "|---|---|---|---|",
        *rows,
        "",
        words["all"],
        "",
        words["present"],
        "",
        words["line"],
        "|---|---|",
        *(f"| {name} | |" for name in everyone),
        "",
    ]


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return visible(text).translate({ord(each): f"\\{each}" for each in "\\`*_[]<>#|"})

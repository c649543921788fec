"""Verbs of the curious: ``explain`` a code, ``inspect`` an envelope without any key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from exchange import render
from exchange.cli import output, world
from exchange.cli.main import Session, verb
from exchange.errors import Code, Refusal
from exchange.model import header as headers
from exchange.seal import body, jws


@click.command()
@click.argument("code", required=False)
@verb
def explain(session: Session, code: str | None) -> None:
    """Say what a refusal's CODE means and what to do; without one, list them all."""
    known = {each.value: each for each in Code}
    if code is None:
        rows = [
            {
                "code": name,
                "what": render.refusal(Refusal(each), session.lang, world.codes()).what,
            }
            for name, each in known.items()
        ]
        if session.as_json:
            output.show_json({"codes": rows})
        else:
            output.table(
                rows, {"code": "code" if session.lang == "en" else "código", "what": ""}
            )
        return
    if code not in known:
        raise Refusal(Code.NOT_FOUND, "", name=code)
    error = Refusal(known[code])
    if session.as_json:
        output.show_json(output.problem(error))
    else:
        click.echo(render.refusal_text(error, session.lang, world.codes()))


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@verb
def inspect(session: Session, file: Path) -> None:
    """Show what anybody can see of a sealed envelope: its header, and for whom it is sealed.

    FILE holds `header LF body LF`, as `outbox --save` writes it. No key is used, no signature
    checked.
    """
    header_bytes, _, rest = file.read_bytes().partition(b"\n")
    signed = jws.read(header_bytes, headers.MAX_HEADER_BYTES)
    if signed.typ != headers.TYP:
        raise Refusal(Code.UNKNOWN_OBJECT, "", found=signed.typ[:48])
    header = headers.decode(signed.payload)
    seen = body.look(rest.rstrip(b"\n"), header.suite) if rest.strip() else None
    shown: dict[str, Any] = {
        "header_digest": signed.digest,
        "signatures": [{"alg": claim.alg, "kid": claim.kid} for claim in signed.claims],
        "header": header,
        "body": seen,
        "body_matches_header": seen is not None and seen.blob == header.body,
    }
    if session.as_json:
        output.show_json(shown)
        return
    click.echo(render.heading(header, session.lang, world.codes()))
    session.say("\nFirmas (sin verificar aquí):", "\nSignatures (not verified here):")
    for claim in signed.claims:
        click.echo(f"  {claim.alg}  {claim.kid}")
    if seen is not None:
        session.say(
            f"Cuerpo sellado: {seen.blob.size} bytes, para {len(seen.wraps)} claves; "
            + (
                "es el que firma el encabezado."
                if seen.blob == header.body
                else "¡NO es el firmado!"
            ),
            f"Sealed body: {seen.blob.size} bytes, to {len(seen.wraps)} keys; "
            + (
                "it is the one the header signs."
                if seen.blob == header.body
                else "NOT the one signed!"
            ),
        )

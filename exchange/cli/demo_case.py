"""The case that the demo tells: a vessel seen, a seizure counted, a question, a withdrawal.

Every step is a verb of the public command line run as its own process, or a call of the public
kit. What is printed is what those answered; nothing here knows the outcome beforehand.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from exchange.cli import output
from exchange.cli.demo_drafts import Drafts
from exchange.cli.home import Home
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model.draft import read_draft
from exchange.model.objects import Receipt
from exchange.seal.close import Envelope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.agency import Agency

SENAN, MINSEG = "pa.senan-ops", "pa.minseg-desk"
WATCH, AUDIT = "us.jiatfs-watch", "us.jiatfs-audit"
_BLANK = "\n\n"
# Seconds; a checkpoint is made every few of them.
_ATTEMPTS = 30


class Stage(msgspec.Struct):
    """Where the case is played: folders, port, anchor, environment; what was told so far."""

    folder: Path
    drafts: Drafts
    port: int
    anchor: str
    environment: dict[str, str]
    is_quiet: bool
    # Of each nation's contexts, how far the other node has pulled; none where one serves both.
    pulled: dict[str, Path] = {}
    # Port of each node, by the name of its folder.
    nodes: dict[str, int] = {}
    told: list[dict[str, Any]] = []

    def run(self, *words: str, expect: Sequence[int] = (0,)) -> str:
        """Run a verb as a process of its own; return what it printed.

        Raises:
            ExchangeError: it ended otherwise than expected; as the verb told it, where it did.
        """
        done = subprocess.run(  # noqa: S603  (ourselves)
            [sys.executable, "-P", "-m", "exchange", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in expect:
            raise _told(done) or _unexpected(words, done.stdout + done.stderr)
        return done.stdout

    def ask(self, context: str, *words: str, expect: Sequence[int] = (0,)) -> dict[str, Any]:
        """Run a verb as an endpoint, and return its JSON answer."""
        answer: dict[str, Any] = json.loads(
            self.run("--context", context, *words, "--json", expect=expect)
        )
        return answer

    def tell(self, spanish: str, english: str) -> None:
        """Say a line of the story, in both languages."""
        self.told.append({"es": spanish, "en": english})
        if not self.is_quiet:
            click.echo(f"\n  {spanish}\n  {english}")

    def show(self, text: str) -> None:
        """Print what a verb printed, indented."""
        self.told.append({"shown": text})
        if not self.is_quiet:
            for line in text.rstrip().splitlines():
                click.echo(f"    | {line}")

    def head(self, spanish: str, english: str) -> None:
        """Begin a chapter."""
        if not self.is_quiet:
            click.echo(f"\n{spanish} / {english}")

    def crossed(self, context: str, index: int) -> None:
        """Wait until what stands in this entry of its own node has come to the other one.

        Raises:
            Fault: it does not come.
        """
        path = self.pulled.get(context.partition(".")[0])
        for _ in range(_ATTEMPTS * 10):
            if path is None or _after(path) >= index:
                return
            time.sleep(0.1)
        raise Fault(Code.NODE_UNREACHABLE, name=str(path), expected=index)

    def draft(self, name: str) -> str:
        """Return the path of a draft as it is to be posted now."""
        return str(self.drafts.write(name))

    def posted(self, name: str, identity: str) -> None:
        """Note as what a draft was posted, for those that cite it."""
        self.drafts.posted[name] = identity


def _after(path: Path) -> int:
    """Return through which entry a link came, as it keeps that; -1 before any."""
    try:
        return int(json.loads(path.read_bytes())["after"])
    except FileNotFoundError:
        return -1


def _told(done: subprocess.CompletedProcess[str]) -> ExchangeError | None:
    """Return the refusal or fault that a verb answered in JSON."""
    try:
        error = json.loads(done.stdout)["error"]
        kind = Refusal if done.returncode == output.EXIT_REFUSED else Fault
        return kind(Code(error["code"]), error["at"], **error["facts"])
    except (ValueError, LookupError, TypeError):
        return None


def _unexpected(words: Sequence[str], printed: str) -> Fault:
    last = printed.strip().splitlines()[-1:]
    return Fault(Code.INTERNAL, name=" ".join(words), found=(last or ["-"])[0][:400])


def play(stage: Stage) -> None:
    """Tell the whole case."""
    _subscribe(stage)
    sighting = _sighting(stage)
    _seizure(stage)
    _question(stage)
    _withdrawal(stage)
    _dialogue(stage)
    _trace(stage, sighting)
    _complete(stage)
    asyncio.run(_refusals(stage, sighting))
    _audit(stage)


def _subscribe(stage: Stage) -> None:
    stage.head("2. Suscripciones firmadas", "2. Signed subscriptions")
    for context, feeds in (
        (WATCH, ("maritime", "requests", "dialogue")),
        (SENAN, ("maritime", "requests")),
        (MINSEG, ("dialogue",)),
    ):
        answer = stage.ask(context, "subscribe", *feeds)
        entry, names = answer["index"], ", ".join(answer["feeds"])
        stage.tell(
            f"{context} se suscribe a {names}: asiento {entry}.",
            f"{context} subscribes to {names}: entry {entry}.",
        )
        stage.crossed(context, entry)


def _post(stage: Stage, context: str, name: str, *more: str) -> dict[str, Any]:
    answer = stage.ask(context, "post", stage.draft(name), "--yes", *more)
    stage.posted(name, answer["id"])
    readers = ", ".join(reader["endpoint"] for reader in answer["readers"])
    kind, entry = answer["type"].upper(), answer["index"]
    stage.tell(
        f"{context} publica {kind}, sellado para {readers}: asiento {entry}.",
        f"{context} posts {kind}, sealed to {readers}: entry {entry}.",
    )
    stage.crossed(context, entry)
    return answer


def _read(stage: Stage, context: str, lang: str, identity: str, *, whole: bool = False) -> None:
    shown = stage.run("--context", context, "--lang", lang, "read", identity)
    if not whole:
        # The clear part reads alike each time: its banner is enough.
        banner, _, rest = shown.partition("\n")
        shown = f"{banner}\n{rest.partition(_BLANK)[2]}"
    stage.show(shown)


def _acknowledge(stage: Stage, context: str, identity: str, officer: str) -> None:
    answer = stage.ask(context, "ack", identity, "--outcome", "actioned", "--officer", officer)
    entry = answer["index"]
    stage.tell(
        f"{context} ({officer}) acusa recibo y actúa: asiento {entry}.",
        f"{context} ({officer}) acknowledges and acts: entry {entry}.",
    )
    stage.crossed(context, entry)


def _sighting(stage: Stage) -> str:
    stage.head("3. Embarcación de interés", "3. Vessel of interest")
    identity = str(_post(stage, SENAN, "voi-1.es.toml")["id"])
    stage.tell(
        "Escrito en español, leído en inglés, de los mismos bytes firmados:",
        "Written in Spanish, read in English, from the same signed bytes:",
    )
    _read(stage, WATCH, "en", identity, whole=True)
    _acknowledge(stage, WATCH, identity, "watch-1")
    return identity


def _seizure(stage: Stage) -> None:
    stage.head("4. Incautación: de conteo de campo a oficial", "4. Seizure: FIELD to OFFICIAL")
    seizure = str(_post(stage, SENAN, "szr-1.es.toml")["id"])
    _read(stage, WATCH, "en", seizure)
    correction = str(_post(stage, SENAN, "cor-1.es.toml", "--target", seizure)["id"])
    _read(stage, WATCH, "en", correction)
    _acknowledge(stage, WATCH, correction, "watch-1")


def _question(stage: Stage) -> None:
    stage.head("5. Una pregunta y su respuesta", "5. A question and its answer")
    question = str(_post(stage, SENAN, "rfi-1.es.toml")["id"])
    _read(stage, WATCH, "en", question)
    answer = stage.ask(WATCH, "reply", question, stage.draft("rpy-2.en.toml"), "--yes")
    entry = answer["index"]
    stage.tell(f"{WATCH} responde: asiento {entry}.", f"{WATCH} replies: entry {entry}.")
    stage.crossed(WATCH, entry)
    _read(stage, SENAN, "es", str(answer["id"]))


def _withdrawal(stage: Stage) -> None:
    stage.head("6. Un boletín se retira", "6. A bulletin is withdrawn")
    mistaken = str(_post(stage, WATCH, "szr-2.en.toml")["id"])
    cancel = str(_post(stage, WATCH, "can-2.en.toml", "--target", mistaken)["id"])
    _read(stage, SENAN, "es", cancel)
    _acknowledge(stage, SENAN, cancel, "guardia-2")


def _dialogue(stage: Stage) -> None:
    stage.head(
        "7. El diálogo: estadísticas y acuerdos", "7. The dialogue: statistics, decisions"
    )
    statistics = str(_post(stage, WATCH, "sta-2.en.toml")["id"])
    _read(stage, MINSEG, "es", statistics)
    record = str(_post(stage, MINSEG, "dlg-1.es.toml")["id"])
    _read(stage, WATCH, "en", record)


def _trace(stage: Stage, identity: str) -> None:
    stage.head("8. Quién lo tiene, quién lo leyó", "8. Who has it, who read it")
    stage.show(stage.run("--context", SENAN, "--lang", "es", "trace", identity))


def _complete(stage: Stage) -> None:
    """Wait for a checkpoint, and let a recipient prove that it was sent all there is."""
    wanted = len(stage.ask(WATCH, "inbox")["items"])
    for _ in range(_ATTEMPTS):
        answer = stage.ask(WATCH, "inbox", "--prove", expect=(0, 1))
        proof = answer["proof"]
        if proof is not None and proof["count"] == wanted:
            break
        time.sleep(1)
    else:
        raise Fault(Code.INTERNAL, found="not proved")
    count, covered = proof["count"], proof["covered"]
    stage.tell(
        f"{WATCH} prueba que nada falta: tiene los {count} elementos que se le deben entre los "
        f"primeros {covered} asientos, según lo que el nodo firmó.",
        f"{WATCH} proves that nothing is missing: it holds all {count} items owed to it among "
        f"the first {covered} entries, by what the node signed.",
    )


# -- refusals on purpose --------------------------------------------------------------------


async def _refusals(stage: Stage, identity: str) -> None:
    stage.head("9. Cuatro negativas, a propósito", "9. Four refusals, on purpose")
    async with _agency(stage, SENAN) as senan:
        sent = senan.world.outbox.envelope(identity)
        if sent is None:
            raise Fault(Code.INTERNAL, name=identity)
        await _not_releasable(stage, senan)
        await _refused(
            stage,
            senan,
            _stripped(sent),
            "Sin la firma poscuántica:",
            "Its post-quantum signature taken off:",
        )
        await _refused(
            stage,
            senan,
            _altered(sent),
            "Un byte del cuerpo cambiado:",
            "One byte of the body changed:",
        )
    async with _agency(stage, WATCH) as watch:
        try:
            await watch.transport.get("/v1/inbox", endpoint="pa.senan/ops")
        except ExchangeError as error:
            _tell_refusal(
                stage, error, "Leer el buzón de otro:", "Reading somebody else's inbox:"
            )


def _agency(stage: Stage, context: str) -> Agency:
    return (
        Home(stage.folder / "home")
        .current(context)
        .agency_with(stage.environment["EXCHANGE_PASSPHRASE"])
    )


async def _not_releasable(stage: Stage, agency: Agency) -> None:
    """Post to a recipient of a nation to which the marking does not release it.

    The sender's own review says no first; the kit is told to go on in spite of it, so that what
    the node says is heard as well.
    """
    draft, text = _for_panama_alone(stage)
    error = stage.ask(SENAN, "post", str(draft), "--yes", expect=(1,))["error"]
    stage.tell(
        f"Destinatario fuera de la marca, según la revisión propia: {error['code']}.",
        f"A recipient outside the marking, says one's own review: {error['code']}.",
    )
    prepared = await agency.prepare(read_draft(text.encode(), toml=True), in_spite=True)
    try:
        await agency.post(prepared)
    except ExchangeError as refusal:
        _tell_refusal(stage, refusal, "Enviado pese a ella:", "Posted in spite of it:")
        return
    raise Fault(Code.INTERNAL, found="not refused")


def _for_panama_alone(stage: Stage) -> tuple[Path, str]:
    text = Path(stage.draft("voi-1.es.toml")).read_text(encoding="utf-8")
    text = text.replace('["PAN", "USA"]', '["PAN"]').replace(
        'feed = "maritime"', 'feed = "maritime"\nto = ["us.jiatfs/watch"]', 1
    )
    draft = stage.folder / "not-releasable.toml"
    draft.write_text(text, encoding="utf-8")
    return draft, text


async def _refused(
    stage: Stage, agency: Agency, envelope: Envelope, spanish: str, english: str
) -> None:
    try:
        await agency.transport.post("/v1/objects", envelope.framed())
    except ExchangeError as error:
        _tell_refusal(stage, error, spanish, english)
        return
    raise Fault(Code.INTERNAL, found="not refused")


def _tell_refusal(stage: Stage, error: ExchangeError, spanish: str, english: str) -> None:
    said, receipt = output.problem(error), error.receipt
    if isinstance(receipt, Receipt):
        kept = (f"Queda en el asiento {receipt.index}.", f"It stands in entry {receipt.index}.")
    else:
        kept = ("Se cuenta, y no se asienta.", "It is counted, and not journaled.")
    stage.tell(
        f"{spanish} {said['code']}. {said['es']['what']} {kept[0]}",
        f"{english} {said['code']}. {said['en']['what']} {kept[1]}",
    )


def _stripped(envelope: Envelope) -> Envelope:
    general = json.loads(envelope.header)
    general["signatures"] = general["signatures"][:1]
    return Envelope(json.dumps(general, separators=(",", ":")).encode(), envelope.body)


def _altered(envelope: Envelope) -> Envelope:
    # Of the same id, but a header that was never posted: not a repetition, an alteration.
    at = envelope.body.index(b'"ciphertext":"') + 20
    other = b"B" if envelope.body[at : at + 1] == b"A" else b"A"
    return Envelope(envelope.header, envelope.body[:at] + other + envelope.body[at + 1 :])


# -- the record -----------------------------------------------------------------------------


def _audit(stage: Stage) -> None:
    stage.head("10. La auditoría, sin conexión", "10. The audit, offline")
    mirror = stage.folder / "mirror.db"
    size = stage.ask(AUDIT, "audit", "mirror", str(mirror))["size"]
    stage.tell(
        f"El auditor copia {size} asientos y los verifica sin el nodo:",
        f"The auditor copies {size} entries and verifies them without the node:",
    )
    given = ("--mirror", "--anchor", stage.anchor)
    stage.show(stage.run("--lang", "es", "audit", "verify", str(mirror), *given))
    copy = stage.folder / "flipped.db"
    copy.write_bytes(_flipped(mirror.read_bytes()))
    stage.tell(
        "En una copia se cambia un solo bit de un asiento aceptado:",
        "In a copy, one single bit of an accepted entry is flipped:",
    )
    stage.show(stage.run("--lang", "en", "audit", "verify", str(copy), *given, expect=(5,)))


def _flipped(data: bytes) -> bytes:
    """Return the file with one bit of an accepted entry's taken time changed."""
    at = data.index(b'"kind":"accepted"')
    place = data.index(b'"taken_ms":', at) + len(b'"taken_ms":') + 9
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

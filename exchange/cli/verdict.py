"""What a verification of a journal came to, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from exchange.cli.check_words import CHECKS
from exchange.cli.times import zulu
from exchange.errors import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.audit.checks import Report

# Of what was kept elsewhere, by where it does not fit: Spanish, then English.
_OF_KEPT: Final = {
    "": (
        "no lleva la firma de su nodo, o está cortado o dañado.",
        "lacks its node's signature, or was cut or damaged.",
    ),
    "/signatures": (
        "no lo firman llaves de este diario: cambiaron después, o es ajeno o está dañado.",
        "is not signed by keys listed here: they changed later, or it is foreign or damaged.",
    ),
    "/note": ("es del diario de otro nodo.", "is of another node's journal."),
    "/path": (
        "no prueba ese asiento tal como está aquí: es de otro, o uno de los dos fue alterado.",
        "does not prove that entry as it is here: it is another's, or one of them was altered.",
    ),
    "/index": ("es de un asiento que no está aquí.", "is of an entry that is not here."),
    "/size": (
        "es de un diario más largo: este fue cortado o atrasado.",
        "is of a longer journal: this one was cut off or set back.",
    ),
    "/root": (
        "es de otro curso de este diario: fue bifurcado o alterado.",
        "is of another course of this journal: it was forked, or altered.",
    ),
}
_ALTERED: Final = (
    "no puede cotejarse: aquí se alteró lo que lleva a él.",
    "cannot be held to this: what leads to it here was altered.",
)
# How a mirror that is taken for a node's file fails, and in no other way: it has no statements
# and no bodies, its epoch is of the copying, and one of an older program keeps no snapshot.
_OF_MIRRORS: Final = frozenset(
    {
        ("groups", Code.BAD_PROOF, "/group"),
        ("bodies", Code.MISSING_BLOB, "/blobs/0"),
        ("heads", Code.BAD_PROOF, "/epoch"),
        ("heads", Code.BAD_PROOF, "/snapshot"),
    }
)
# Where all else holds, these tell of what was given alone; and of this nobody can say.
_OF_ITSELF: Final = frozenset({"", "/note", "/path", "/index"})
_EITHER: Final = "/signatures"
# Where nothing else fails, the state is of something else, and says nothing of the journal.
_OTHER_STATE: Final = frozenset({"/node", "/lost"})


def may_be_mirror(report: Report) -> bool:
    """Tell whether all that fails would fail of a mirror that nobody said to be one.

    A node's file that was stripped looks just the same.
    """
    failed = {(each.name, each.code, each.at) for each in report.checks if not each.ok}
    is_bare = not (report.mirror or report.grouped or report.bodies)
    return is_bare and bool(failed) and failed <= _OF_MIRRORS


def of(report: Report) -> Literal["intact", "unsaid", "tampered"]:
    """Return what a verification came to, in a word; anchored or not is told apart."""
    if report.ok:
        return "intact"
    return "unsaid" if may_be_mirror(report) else "tampered"


def is_against(report: Report) -> bool | None:
    """Tell whether something is said against the journal, and not of what was given alone.

    None: it may be either.
    """
    failed = _failed(report)
    if failed.keys() == {"kept"} and failed["kept"] == _EITHER:
        return None
    of_itself = failed.keys() == {"kept"} and failed["kept"] in _OF_ITSELF
    return bool(failed) and not (of_itself or may_be_mirror(report))


def of_another_state(report: Report) -> str:
    """Return why the state says nothing of this journal, where nothing else fails; or empty."""
    failed = _failed(report)
    is_alone = failed.keys() == {"state"} and failed["state"] in _OTHER_STATE
    return failed["state"] if is_alone else ""


def _failed(report: Report) -> dict[str, str]:
    return {each.name: each.at for each in report.checks if not each.ok}


def lines(report: Report, *, spanish: bool) -> Iterator[str]:
    """Say each check, what was counted, the verdict, and what may be behind it."""
    for check in report.checks:
        told = CHECKS[check.name][0 if check.ok else 1][0 if spanish else 1]
        mark = "ok" if check.ok else "!!"
        yield f"{mark}  {check.number}  {check.name:<12} {check.held:>7}  {told}"
        if not check.ok:
            first = "primer asiento afectado" if spanish else "first entry affected"
            at = "-" if check.first is None else check.first
            yield f"        {first}: {at}  ({f'{check.code} {check.at}'.strip()})"
    size, judged, attested = report.size, report.replayed, report.attested
    if spanish:
        yield f"{size} asientos: {judged} juzgados de nuevo, {attested} atestiguados"
    else:
        yield f"{size} entries: {judged} judged again, {attested} attested"
    if report.lost:
        yield (
            f"{report.lost} de ellos PERDIDOS, según declararon custodios de ambas naciones"
            if spanish
            else f"{report.lost} of them LOST, as custodians of both nations declared"
        )
    if report.since:
        yield (
            f"los primeros {report.since} ya se verificaron antes y no se leyeron otra vez"
            if spanish
            else f"the first {report.since} were verified before and not read again"
        )
    yield f"{'raíz' if spanish else 'root'} {report.root}"
    if not report.anchored:
        yield (
            f"SIN ANCLA: coherente solo consigo mismo; su propia ancla es {report.anchor}"
            if spanish
            else f"UNANCHORED: consistent with itself only; its own anchor is {report.anchor}"
        )
    if report.orders:
        yield (
            f"{report.orders} purgas ordenadas; {report.erased} cuerpos y llaves destruidos,"
            f" {report.bodies} conservados"
            if spanish
            else f"{report.orders} purges ordered; {report.erased} bodies and keys destroyed,"
            f" {report.bodies} kept"
        )
    if report.purged:
        yield (
            f"{report.purged} de {report.attached} adjuntos constan como purgados"
            if spanish
            else f"{report.purged} of {report.attached} attachments are marked as purged"
        )
    yield _witnessed(report, spanish=spanish)
    yield _verdict(report, spanish=spanish)
    yield from _hints(report, spanish=spanish)


def _verdict(report: Report, *, spanish: bool) -> str:
    """Say whether it holds; of what may be a mirror, no more than that nobody said so."""
    if report.ok:
        return _checked_es(report) if spanish else _checked_en(report)
    if may_be_mirror(report):
        return (
            "SIN DECIR si es una copia hecha con `audit mirror`: entonces, --mirror."
            if spanish
            else "NOT SAID whether `audit mirror` made it: if so, --mirror."
        )
    return "ALTERADO." if spanish else "TAMPERED."


def _witnessed(report: Report, *, spanish: bool) -> str:
    """Say who vouches for it besides its node, and up to where."""
    if report.witnessed_at is not None:
        size, when = report.witnessed, zulu(report.witnessed_at)
        return (
            f"testigos: quórum hasta {size} asientos, a las {when}"
            if spanish
            else f"witnesses: a quorum up to {size} entries, as of {when}"
        )
    if report.quorum == "none":
        return (
            "testigos: ninguno, según el arreglo (quorum none)"
            if spanish
            else "witnesses: none, by the arrangement (quorum none)"
        )
    return (
        "testigos: ninguno hasta ahora, y el arreglo pide quórum"
        if spanish
        else "witnesses: none so far, and the arrangement asks for a quorum"
    )


def _hints(report: Report, *, spanish: bool) -> Iterator[str]:
    """Say what may be behind a verdict other than tampering: said, and never assumed."""
    if any(each.name == "replay" and each.code == "trust-invalid" for each in report.checks):
        yield (
            "Puede que el ancla dada sea de otro intercambio: sin --anchor se ve la suya."
            if spanish
            else "The anchor given may be another exchange's: without --anchor, see its own."
        )
    yield from _of_kept(report, spanish=spanish)


def _of_kept(report: Report, *, spanish: bool) -> Iterator[str]:
    """Say what is the matter with what was kept elsewhere, and whether with the journal."""
    failed = _failed(report)
    for name, what in (
        ("state", ("Lo verificado antes (--state)", "What was verified before (--state)")),
        ("kept", ("Lo que se guardó aparte", "What was kept elsewhere")),
    ):
        if name in failed:
            told = _OF_KEPT.get(failed[name], _ALTERED)
            yield f"{what[0 if spanish else 1]} {told[0 if spanish else 1]}"
    if "kept" in failed and is_against(report) is False:
        yield "Nada dice contra este diario." if spanish else "Nothing against this journal."


def _checked_en(report: Report) -> str:
    """Say what was found right, how far it is signed for, and what was not looked at."""
    last, left = report.covered - 1, report.uncovered
    told = f"Intact up to entry {last}." if left else "Intact."
    told += " Every entry checked is as it was signed."
    if left and report.grouped:
        told += f" {left} entries after the newest checkpoint: signed by commit group only."
    elif left:
        told += f" {left} entries after the newest checkpoint are not signed for yet."
    unseen = [] if report.grouped else ["commit groups"]
    unseen += [] if report.bodies else ["sealed bodies"]
    unseen += _unseen(report, "attachments")
    return f"{told} Not looked at here: {', '.join(unseen)}." if unseen else told


def _checked_es(report: Report) -> str:
    last, left = report.covered - 1, report.uncovered
    told = f"Íntegro hasta el asiento {last}." if left else "Íntegro."
    told += " Cada asiento examinado es como se firmó."
    if left and report.grouped:
        told += f" {left} asientos tras el último punto de control: firmados solo por grupo."
    elif left:
        told += f" {left} asientos tras el último punto de control aún no están firmados."
    unseen = [] if report.grouped else ["grupos de escritura"]
    unseen += [] if report.bodies else ["cuerpos sellados"]
    unseen += _unseen(report, "adjuntos")
    return f"{told} No se examinan aquí: {', '.join(unseen)}." if unseen else told


def _unseen(report: Report, word: str) -> list[str]:
    """Return how many attachments are named and were not looked at, in a word."""
    is_unseen = report.attachments is None and report.attached
    return [f"{word} ({report.attached})"] if is_unseen else []

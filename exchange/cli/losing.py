"""Say what was found damaged in the mail that is kept here, or expired unsent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exchange.cli.times import zulu
from exchange.client import bodies

if TYPE_CHECKING:
    from exchange.client.losses import How, Loss
    from exchange.model.codes import Lang

# Of what a row was, by its drawer; Spanish, English.
_WHAT: Final = {
    "item": ("un asiento del buzón", "an item of the inbox"),
    "trust": ("un documento de confianza", "a trust document"),
    "heard": ("cuándo respondió el nodo", "when the node was heard"),
    bodies.BODY: ("el texto sellado de algo recibido", "the sealed text of something received"),
    bodies.ENTRY: ("el asiento de algo concedido", "the entry of something granted"),
    "content-key": ("la clave de un boletín enviado", "the key of a bulletin that was posted"),
    "sealed": ("algo sellado para enviar", "something sealed to be posted"),
    "waits": ("algo que espera su recibo", "something that waits for its receipt"),
    "sent": ("que algo tiene su recibo", "that something has its receipt"),
    "refused": ("por qué se rechazó algo", "why something was refused"),
    "anew": ("con qué sellar algo otra vez", "what sealing something anew takes"),
    "due": ("hasta cuándo se conserva algo", "until when something is kept"),
    "pending": (
        "cómo va lo que espera autorización",
        "how something stands that waits for a release",
    ),
    "acts": ("qué sobres salieron como un solo acto", "which envelopes went as one act"),
    "colleagues": (
        "qué corrigieron los colegas en lo enviado",
        "what colleagues corrected in what was posted",
    ),
    "files": ("qué adjuntos se sellaban", "which attachments were being sealed"),
}
_SOMETHING: Final = ("una fila", "a row")
# What both nations declared lost in a node's journal, and what of ours was in it.
_LOST: Final[dict[How, tuple[str, str]]] = {
    "declared": (
        "!!! PERDIDOS los asientos {id} del diario: lo declararon ambas naciones !!!",
        "!!! LOST entries {id} of the journal: both nations declared so !!!",
    ),
    "anew": (
        "!!! {id}: su asiento se perdió; espera para enviarse otra vez, con el mismo id !!!",
        "!!! {id}: its entry was lost; it waits to be sent again, under the same id !!!",
    ),
    "textless": (
        "!!! {id}: su asiento se perdió, y su texto ya no está aquí: escríbalo de nuevo !!!",
        "!!! {id}: its entry was lost, and its text is here no more: write it again !!!",
    ),
}
_HOW: Final[dict[How, tuple[str, str]]] = {
    "again": ("se pide otra vez al nodo", "the node is asked for it again"),
    "gone": ("su plazo había terminado: se destruyó", "its time was over: it was destroyed"),
    "mended": ("se rehízo; lo dañado se apartó", "it was made anew; the damaged was put aside"),
    "aside": (
        "se apartó tal como está: compruebe con `exchange outbox` qué falta",
        "it was put aside as it is: see by `exchange outbox` what is missing",
    ),
}


def line(loss: Loss, lang: Lang) -> str:
    """Return a loss as a person reads it."""
    spanish = lang == "es"
    if loss.how == "expired":
        return _expired(loss, lang)
    if loss.how in _LOST:
        return _LOST[loss.how][not spanish].format(id=loss.id)
    what = _WHAT.get(loss.drawer.rpartition(".")[2], _SOMETHING)[not spanish]
    of = f" ({loss.id})" if loss.id else ""
    how = _HOW[loss.how][not spanish]
    return f"!!! {'DAÑADO' if spanish else 'DAMAGED'}: {what}{of}: {how} !!!"


_DRAFT: Final = (
    "!!! Un borrador que nadie tocó en 30 días VENCIÓ el {day}: se borró con sus archivos !!!",
    "!!! A draft that nobody touched for 30 days EXPIRED on {day}: deleted with its files !!!",
)


def _expired(loss: Loss, lang: Lang) -> str:
    day = zulu(loss.until or 0)
    if loss.drawer == "desk-drafts":
        return _DRAFT[lang != "es"].format(day=day)
    if lang == "es":
        if not loss.tries:
            return f"!!! {loss.id} NUNCA SE ENVIÓ; venció el {day}: su texto se destruyó !!!"
        return (
            f"!!! {loss.id} VENCIÓ SIN RECIBO el {day}, tras {loss.tries} intentos: su texto se"
            f" destruyó. Si el nodo lo tiene, lo dice: exchange trace {loss.id} !!!"
        )
    if not loss.tries:
        return f"!!! {loss.id} WAS NEVER SENT; expired on {day}: its text is destroyed !!!"
    return (
        f"!!! {loss.id} EXPIRED WITHOUT A RECEIPT on {day}, tried {loss.tries} times: its text"
        f" is destroyed. Whether the node has it: exchange trace {loss.id} !!!"
    )


def told(loss: Loss) -> dict[str, Any]:
    """Return a loss as values."""
    return {
        "what": loss.drawer,
        "how": loss.how,
        "id": loss.id,
        "expired": zulu(loss.until) if loss.until else None,
        "tries": loss.tries,
        "es": line(loss, "es"),
        "en": line(loss, "en"),
    }

"""What each step of a verification says when it holds, and when it does not, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from exchange.evidence.judge import Name
    from exchange.model.codes import Lang


class Said(NamedTuple):
    """A step in one language: when it holds, when it does not, and when nothing is there."""

    held: str
    failed: str
    absent: str = ""

    def of(self, verdict: str) -> str:
        """Return what is said of a verdict."""
        return {"held": self.held, "failed": self.failed, "absent": self.absent}.get(
            verdict, ""
        )


SAID: Final[dict[Name, dict[Lang, Said]]] = {
    "container": {
        "es": Said(
            "el archivo está entero y no esconde nada",
            "el archivo está cortado, o esconde algo",
        ),
        "en": Said(
            "the file is whole and hides nothing", "the file is cut, or hides something"
        ),
    },
    "manifest": {
        "es": Said(
            "cada parte es la que se anotó, y no hay otras; nada comprueba lo que dicen"
            " cover.html, verify.html y verify.py",
            "una parte falta, sobra o es otra que la anotada",
        ),
        "en": Said(
            "each part is the one listed, and there is no other; nothing checks what"
            " cover.html, verify.html and verify.py say",
            "a part is missing, too many, or another",
        ),
    },
    "inclusion": {
        "es": Said(
            "cada asiento está en su lugar bajo la raíz del diario",
            "un asiento no está en su lugar bajo la raíz del diario",
        ),
        "en": Said(
            "each entry is in its place under the journal's root",
            "an entry is not in its place under the journal's root",
        ),
    },
    "anchor": {
        "es": Said(
            "el directorio empieza por la huella que usted trajo",
            "el directorio no empieza por la huella que usted trajo",
            "SIN ANCLA: no se trajo la huella; el paquete solo concuerda consigo mismo",
        ),
        "en": Said(
            "the directory begins with the fingerprint you brought",
            "the directory does not begin with the fingerprint you brought",
            "UNANCHORED: no fingerprint was brought; the package only agrees with itself",
        ),
    },
    "directory": {
        "es": Said(
            "ambas naciones firmaron cada documento que da claves, y ninguno falta",
            "un documento que da claves falta, o no lo firmó quien debía",
        ),
        "en": Said(
            "both nations signed every document that lists keys, and none is missing",
            "a document that lists keys is missing, or not signed by those who must",
        ),
    },
    "checkpoint": {
        "es": Said("el nodo firmó la raíz con sus dos claves", "el nodo no firmó esta raíz"),
        "en": Said(
            "the node signed the root with both its keys", "the node signed no such root"
        ),
    },
    "cosignatures": {
        "es": Said(
            "los testigos acordados cofirmaron la raíz",
            "los testigos acordados no cofirmaron esta raíz",
            "no se acordaron testigos: solo el nodo responde por la raíz",
        ),
        "en": Said(
            "the agreed witnesses cosigned the root",
            "the agreed witnesses did not cosign this root",
            "no witnesses were agreed: the node alone answers for the root",
        ),
    },
    "originator": {
        "es": Said(
            "el originador firmó este encabezado, y el diario lo aceptó así",
            "el originador no firmó este encabezado, o el diario dice otra cosa",
        ),
        "en": Said(
            "the originator signed this header, and the journal accepted it so",
            "the originator did not sign this header, or the journal says otherwise",
        ),
    },
    "receipt": {
        "es": Said(
            "el nodo firmó un recibo de este asiento",
            "el recibo no es de este asiento, o no lo firmó el nodo",
            "no hay recibo en el paquete",
        ),
        "en": Said(
            "the node signed a receipt of this entry",
            "the receipt is not of this entry, or not signed by the node",
            "there is no receipt in the package",
        ),
    },
    "acknowledgements": {
        "es": Said(
            "cada acuse es de este boletín y lo firmó un destinatario",
            "un acuse es de otro boletín, está dos veces, o no lo firmó un destinatario",
            "no hay acuses en el paquete: eso no muestra que no los haya",
        ),
        "en": Said(
            "each acknowledgement is of this bulletin and signed by a recipient",
            "an acknowledgement is of another bulletin, there twice, or not by a recipient",
            "there are none in the package: that does not show that there are none",
        ),
    },
    "content": {
        "es": Said(
            "el texto es, byte por byte, el que se selló",
            "el texto no es el que se selló",
            "el texto no está en el paquete: sigue sellado",
        ),
        "en": Said(
            "the text is, byte by byte, the one that was sealed",
            "the text is not the one that was sealed",
            "the text is not in the package: it stays sealed",
        ),
    },
    "keys": {
        "es": Said(
            "las claves usadas son las que se anotaron",
            "las claves usadas no son las que se anotaron",
        ),
        "en": Said("the keys used are those listed", "the keys used are not those listed"),
    },
}

"""What each check of ``audit verify`` says, in either language."""

from __future__ import annotations

# What each check says when it holds, and when it does not.
CHECKS = {
    "readable": (
        ("todos los asientos se leen, sin huecos", "every entry can be read, without a gap"),
        ("la lectura se interrumpe", "reading breaks off"),
    ),
    "hashes": (
        ("cada asiento es el que se guardó", "each entry is the one that was stored"),
        ("un asiento fue alterado", "an entry was altered"),
    ),
    "replay": (
        ("las mismas reglas dan cada decisión", "the same rules give each decision"),
        ("un asiento no se sigue de las reglas", "an entry does not follow from the rules"),
    ),
    "checkpoints": (
        ("cada punto de control firmado concuerda", "each signed checkpoint agrees"),
        ("un punto de control firmado dice otra cosa", "a signed checkpoint says otherwise"),
    ),
    "covered": (
        ("asientos bajo el último punto de control", "entries under the newest checkpoint"),
        ("ningún asiento está firmado", "no entry is signed for"),
    ),
    "groups": (
        ("asientos bajo grupos firmados", "entries under signed commit groups"),
        ("un grupo firmado dice otra cosa", "a signed commit group says otherwise"),
    ),
    "bodies": (
        ("cuerpos sellados son los firmados", "sealed bodies are the ones signed for"),
        ("un cuerpo sellado falta o no es el firmado", "a sealed body is gone or another"),
    ),
    "inboxes": (
        ("lugares en buzones, como se deben", "places in inboxes, as they are owed"),
        ("un buzón no tiene lo que se le debe", "an inbox does not hold what it is owed"),
    ),
    "heads": (
        ("buzones cuentan lo que tienen", "inboxes count what they hold"),
        ("una cuenta o el final no concuerda", "a count, or the end, is another"),
    ),
    "keys": (
        ("claves llevan a su asiento", "keys lead to their entry"),
        ("una clave falta, sobra o lleva a otro", "a key is gone, too many or leads elsewhere"),
    ),
    "kinds": (
        ("asientos bajo su clase, y el último de cada una", "entries by kind, newest known"),
        ("una clase, o su último asiento, es otra", "a kind, or the newest of one, is another"),
    ),
    "tiles": (
        ("losas llenas del árbol, con su raíz", "whole tiles of the tree, with their root"),
        ("la raíz de una losa es otra, falta o sobra", "a tile's root is another, or too many"),
    ),
    "attachments": (
        ("adjuntos guardados como se firmaron", "attachments kept as they were signed for"),
        ("un adjunto falta o no es el firmado", "an attachment is gone or another"),
    ),
    "pressing": (
        ("avisos que apremian, y a quién", "what presses, and whom"),
        ("algo que apremia falta, sobra o es otro", "what presses is gone or another"),
    ),
    "chased": (
        ("acuses que se reclaman, y a quién", "acknowledgements chased, and of whom"),
        ("un acuse que se reclama falta o es otro", "what is chased is gone or another"),
    ),
    "due": (
        ("plazos de lo que vence", "terms of what comes due"),
        ("un plazo falta, sobra o es otro", "a term is gone, too many or another"),
    ),
    "purges": (
        ("purgas hechas como se ordenaron", "purges carried out as ordered"),
        ("una purga no se cumplió como se ordenó", "a purge was not carried out as ordered"),
    ),
    "file": (
        ("tablas concuerdan con sus propios índices", "tables agree with their own indexes"),
        ("el archivo se contradice a sí mismo", "the file contradicts itself"),
    ),
    "kept": (
        ("asientos bajo el punto guardado aparte", "entries under the one kept elsewhere"),
        (
            "no concuerda con lo que se guardó aparte",
            "does not agree with what was kept elsewhere",
        ),
    ),
    "cosigned": (
        ("puntos de control con quórum de testigos", "checkpoints with a quorum of witnesses"),
        ("una cofirma no vale, o no hay quórum", "a cosignature does not hold, or no quorum"),
    ),
    "lost": (
        (
            "asientos perdidos, declarados por ambas naciones",
            "lost entries, declared by both nations",
        ),
        (
            "se llama perdidos a asientos que ninguna declaración cubre",
            "entries are called lost that no declaration covers",
        ),
    ),
    "state": (
        ("asientos que ya se habían verificado", "entries that were verified before"),
        (
            "no es lo que se había verificado antes (--state)",
            "is not what was verified before (--state)",
        ),
    ),
}  # fmt: skip

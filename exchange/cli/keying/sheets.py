"""The sheets of a key in shares: printed, kept in a safe, and read again years later."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from exchange.cli.times import zulu
from exchange.custody import shares
from exchange.errors import Code, Fault
from exchange.render.visible import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.custody.shares import Shared

_COLUMNS = 3
_WORD = re.compile(r"(?<!\S)(\d{1,2}) ([A-Za-z]{3,8})(?!\S)")
_CUT = "- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - -"
# A custodian's file is under a thousand characters: paper can carry it too.
_PRINTED_BYTES = 4096
_WIDTH = 76

_TEXT = """\
SECRETO: PARTE DE UNA CLAVE                             SECRET: SHARE OF A KEY

Titular / Holder         {holder}
Parte / Share            {number} de / of {count}
Hacen falta / Needed     {threshold}
Conjunto / Set           {set}, {made}
Archivo / File           {file}

{cut}
{words}
{cut}

Guárdela en papel, sola, en un lugar cerrado, y nunca junto a otra parte. Una sola no abre
nada; {threshold} cualesquiera de este conjunto, con el archivo, abren todas las claves del
titular. Palabras en inglés por la norma SLIP-39; bastan las cuatro primeras letras de cada una.
Para restaurar, en una máquina sin red:  exchange keys unshare ARCHIVO --out CLAVES.xk
Si se hace un conjunto nuevo, destruya esta hoja y toda copia del archivo de este conjunto.

Keep it on paper, alone, under lock, never together with another share. One opens nothing; any
{threshold} of this set, with the file, open all keys of the holder. The words are English by
the standard, SLIP-39; the first four letters of each are enough.
To restore, on a machine without a network:  exchange keys unshare FILE --out KEYS.xk
When a new set is made, destroy this sheet and every copy of this set's file.
"""
_FILE_TEXT = """
{cut}
El archivo, por si se pierden sus copias: teclee o escanee estas líneas en un archivo.
The file, in case its copies are lost: type or scan these lines into a file.

{lines}
"""


def name_of_file(holder: str) -> str:
    """Return the name of the file that a holder's shares open."""
    return f"{_plain(holder)}.shared.xk"


def name_of_sheet(holder: str, number: int, count: int) -> str:
    """Return the name of a sheet, counted from 1."""
    return f"{_plain(holder)}.share-{number:02}-of-{count:02}.txt"


def _plain(holder: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", holder)


def sheets(shared: Shared) -> list[str]:
    """Return the sheets to print, one for each share; each is a secret."""
    about = shared.about
    file = shared.file.decode().rstrip("\n")
    tail = ""
    if len(file) <= _PRINTED_BYTES:
        lines = textwrap.wrap(file, _WIDTH, break_on_hyphens=False)
        tail = _FILE_TEXT.format(cut=_CUT, lines="\n".join(lines))
    return [
        _TEXT.format(
            holder=visible(about.holder),
            number=number,
            count=about.shares,
            threshold=about.threshold,
            set=about.made.number,
            made=zulu(about.made.at),
            file=name_of_file(about.holder),
            cut=_CUT,
            words=_table(words),
        )
        + tail
        for number, words in enumerate(shared.shares, 1)
    ]


def _table(words: Sequence[str]) -> str:
    rows = -(-len(words) // _COLUMNS)
    cells = [f"{place:2} {word:12}" for place, word in enumerate(words, 1)]
    return "\n".join("    " + "        ".join(cells[row::rows]).rstrip() for row in range(rows))


def words_of(sheet: str) -> str:
    """Return the words on a sheet that was kept as a file.

    Raises:
        Fault: ``key-file``: it is no sheet.
    """
    parts = sheet.split(_CUT)
    found = sorted((int(n), word) for n, word in _WORD.findall(parts[1])) if parts[1:] else []
    if [place for place, _ in found] != list(range(1, shares.SHARE_WORDS + 1)):
        raise Fault(Code.KEY_FILE, expected="share-sheet")
    return " ".join(word for _, word in found)


def file_of(raw: bytes) -> bytes:
    """Return a shared container, put together again where lines of paper were typed."""
    return b"".join(line.strip() for line in raw.splitlines())

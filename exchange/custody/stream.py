"""A file of any length under a passphrase: written and read piece by piece, in little memory.

    line 1     JSON: whose it is, what trying a passphrase costs, a salt, what tells a wrong one
    then       C2SP chunked encryption (AES-256-GCM, 16 KiB a chunk): each chunk has its number,
               the last one is marked, and all are bound to line 1
    at the end ``MARK``, so that a file that was cut short is told before hours are spent on it

What is read is authentic chunk by chunk; that it is the whole file only ``finish`` can tell.

Source: c2sp.org/chunked-encryption (the instance that its authors call Cobblestone-256);
Argon2id as in ``container``.
"""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest
from typing import IO, TYPE_CHECKING, Final, Literal

import msgspec
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from exchange.custody import container
from exchange.custody.container import Cost
from exchange.errors import Code, Fault, Refusal
from exchange.model.codec import b64, unb64

if TYPE_CHECKING:
    from collections.abc import Callable

MARK: Final = b"\nxbk1 end\n"
# Read and decrypted at once.
PIECE_BYTES: Final = 256 * 1024
_MAX_LINE_BYTES: Final = 1024
_KEY_BYTES: Final = 32


class _Shell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is in the clear. ``check`` tells a wrong passphrase, ``sum`` a damaged line."""

    v: Literal["xbk1"]
    holder: str
    memory_kib: int
    passes: int
    lanes: int
    salt: str
    check: str
    sum: str


class Sealer:
    """Writes such a file: ``write`` for each piece, then ``finish`` once."""

    def __init__(
        self, file: IO[bytes], holder: str, passphrase: str, randomness: Callable[[int], bytes]
    ) -> None:
        """Begin.

        Args:
            file: empty, to be written.
            holder: whose it is; anybody can read that.
            passphrase: what opens it.
            randomness: source of random bytes.

        Raises:
            Fault: ``key-file``, expecting ``passphrase``: it is empty.
        """
        if not passphrase:
            raise Fault(Code.KEY_FILE, name=holder, expected="passphrase")
        salt, cost = randomness(16), Cost()
        key, check = _keys(passphrase, salt, cost)
        shell = _Shell("xbk1", holder, *cost, salt=b64(salt), check=check, sum="")
        shell = msgspec.structs.replace(shell, sum=_sum(shell))
        line = msgspec.json.encode(shell) + b"\n"
        self._file = file
        self._encryptor = Cobblestone256Encryptor(key, line)
        self._file.write(line)

    def write(self, piece: bytes) -> None:
        """Take the next piece."""
        self._file.write(self._encryptor.update(piece))

    def finish(self) -> None:
        """Write what is left and the end; making it durable is the caller's."""
        self._file.write(self._encryptor.finalize())
        self._file.write(MARK)


class Opener:
    """Reads such a file from its beginning: ``read`` what comes next, then ``finish`` once."""

    def __init__(self, file: IO[bytes], passphrase: Callable[[str], str]) -> None:
        """Begin.

        Args:
            file: can be sought in.
            passphrase: asked for with the holder's name, once the file is seen to be whole.

        Raises:
            Fault: ``backup-damaged``: no such file, or altered, or dearer to open than a
                passphrase may be; ``backup-cut-short``: it has no end; ``backup-passphrase``.
        """
        line = file.readline(_MAX_LINE_BYTES)
        shell = _read(line)
        begin = file.tell()
        self._left = file.seek(0, 2) - begin - len(MARK)
        if self._left < 0 or _tail(file) != MARK:
            raise Fault(Code.BACKUP_CUT_SHORT, name=shell.holder)
        file.seek(begin)
        self.holder = shell.holder
        cost = Cost(shell.memory_kib, shell.passes, shell.lanes)
        try:
            key, check = _keys(passphrase(shell.holder), unb64(shell.salt), cost)
        except (Refusal, ValueError):
            raise Fault(Code.BACKUP_DAMAGED, found=0) from None
        if not compare_digest(check, shell.check):
            raise Fault(Code.BACKUP_PASSPHRASE, name=shell.holder)
        self._file = file
        self._decryptor = Cobblestone256Decryptor(key, line)
        self._plain = bytearray()
        self._at = begin
        self._is_done = False

    def read(self, count: int) -> bytes:
        """Return the next so many bytes.

        Raises:
            Fault: ``backup-damaged``: altered, or it ends before.
        """
        while len(self._plain) < count and not self._is_done:
            self._fill()
        if len(self._plain) < count:
            raise Fault(Code.BACKUP_DAMAGED, found=self._at)
        found = bytes(self._plain[:count])
        del self._plain[:count]
        return found

    def finish(self) -> None:
        """Return only if nothing is left and the end is the end that was written.

        Raises:
            Fault: ``backup-damaged``.
        """
        while not self._is_done:
            self._fill()
        if self._plain:
            raise Fault(Code.BACKUP_DAMAGED, found=self._at)

    def _fill(self) -> None:
        sealed = self._file.read(min(self._left, PIECE_BYTES))
        try:
            if sealed:
                self._plain += self._decryptor.update(sealed)
            else:
                self._plain += self._decryptor.finalize()
                self._is_done = True
        except InvalidTag:
            raise Fault(Code.BACKUP_DAMAGED, found=self._at) from None
        self._at += len(sealed)
        self._left -= len(sealed)


def _keys(passphrase: str, salt: bytes, cost: Cost) -> tuple[bytes, str]:
    """Return the key, and what tells that it is the right one without telling it."""
    both = container.stretch(passphrase, salt, cost, 2 * _KEY_BYTES)
    return both[:_KEY_BYTES], b64(sha256(both[_KEY_BYTES:]).digest())


def _read(line: bytes) -> _Shell:
    try:
        shell = msgspec.json.decode(line, type=_Shell)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Fault(Code.BACKUP_DAMAGED, found=0) from None
    is_fair = Cost(shell.memory_kib, shell.passes, shell.lanes).is_fair
    if shell.sum != _sum(shell) or not is_fair or msgspec.json.encode(shell) + b"\n" != line:
        raise Fault(Code.BACKUP_DAMAGED, found=0)
    return shell


def _sum(shell: _Shell) -> str:
    """Return a checksum of all the rest: against accidents only, for it takes no key."""
    return b64(sha256(msgspec.json.encode(msgspec.structs.replace(shell, sum=""))).digest())


def _tail(file: IO[bytes]) -> bytes:
    file.seek(-len(MARK), 2)
    return file.read(len(MARK))

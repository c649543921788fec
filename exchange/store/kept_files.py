"""A folder of attachments as an auditor reads it: never written to, and none of it believed."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from exchange.errors import Code, Fault
from exchange.model.header import Blob
from exchange.store.blob_files import digest_of

if TYPE_CHECKING:
    from pathlib import Path


class KeptFiles:
    """What ``BlobFiles`` keeps in a folder; of a copy of it as well."""

    def __init__(self, folder: Path) -> None:
        """Read this folder."""
        self._kept, self._purged = folder / "kept", folder / "purged"

    def look(self, digest: str) -> Blob | None:
        """Return digest and size of the bytes under a name; None where there are none.

        Raises:
            Fault: ``store-failed``: they cannot be read.
        """
        try:
            # A link would lead out of the folder.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
            file = os.open(self._kept / digest, flags)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed(error, digest) from error
        try:
            return Blob(digest_of(file), os.fstat(file).st_size)
        except OSError as error:
            raise _failed(error, digest) from error
        finally:
            os.close(file)

    def is_purged(self, digest: str) -> bool:
        """Tell whether a name is marked as purged."""
        return (self._purged / digest).exists()


def _failed(error: OSError, digest: str) -> Fault:
    reason = errno.errorcode.get(error.errno or 0, "")
    return Fault(Code.STORE_FAILED, digest=digest, reason=reason)

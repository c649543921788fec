"""A PKCS#11 token in software, with keys in it, for one test run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from exchange.custody import tokens

LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
PIN = "246813579"
_CURVES = {"EC_EDWARDS": "1.3.101.112", "EC": "1.3.132.0.34"}


def library() -> str | None:
    """The library, if the machine has it and its tool."""
    found = [path for path in LIBRARIES if Path(path).exists()]
    return found[0] if found and shutil.which("softhsm2-util") else None


class SoftHsm:
    """Tokens in a folder of the test; the library finds them when it is started anew."""

    def __init__(self, library: str, folder: Path, *tokens: str) -> None:
        self.library = library
        (folder / "tokens").mkdir()
        config = folder / "softhsm2.conf"
        config.write_text(
            f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(config)
        tool = shutil.which("softhsm2-util")
        assert tool is not None
        for label in tokens:
            words = ["--init-token", "--free", "--label", label, "--so-pin", "87654321"]
            subprocess.run([tool, *words, "--pin", PIN], check=True, capture_output=True)
        forget()
        self._lib.reinitialize()

    @property
    def _lib(self) -> Any:
        import pkcs11  # noqa: PLC0415

        return pkcs11.lib(self.library)

    def generate(self, token: str, label: str, key_type: str = "EC_EDWARDS") -> str:
        """Make a key pair inside a token; its URI."""
        import pkcs11  # noqa: PLC0415
        from pkcs11.util.ec import encode_named_curve_parameters  # noqa: PLC0415

        forget()  # a token logs in a process once
        with self._lib.get_token(token_label=token).open(user_pin=PIN, rw=True) as session:
            curve = encode_named_curve_parameters(_CURVES[key_type])
            parameters = session.create_domain_parameters(
                pkcs11.KeyType[key_type], {pkcs11.Attribute.EC_PARAMS: curve}, local=True
            )
            mechanism = pkcs11.Mechanism[f"{key_type}_KEY_PAIR_GEN"]
            parameters.generate_keypair(mechanism=mechanism, store=True, label=label)
        return self.uri(token, label)

    def uri(self, token: str, label: str, **changes: str) -> str:
        module = changes.get("module", self.library)
        return f"pkcs11:token={token};object={label}?module-path={module}"


def forget() -> None:
    """Log out of every token that a test had this process log in to."""
    for session in tokens._open.values():
        session.close()
    tokens._open.clear()

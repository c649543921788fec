"""Cryptography: suites, signatures, sealed bodies. The node never imports ``seal.open``."""

"""RFC 6962, section 2.1, as it reads: slow, and shares no code with the journal."""

from hashlib import sha256


def _left(count):
    return max(2**n for n in range(64) if 2**n < count)


def root(leaves):
    """MTH over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = _left(len(leaves))
    return sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:])).digest()


def path(index, leaves):
    """PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = _left(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), root(leaves[k:])]
    return [*path(index - k, leaves[k:]), root(leaves[:k])]


def proof(old, leaves, whole=True):
    """SUBPROOF(m, D[n], b)."""
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    k = _left(len(leaves))
    if old <= k:
        return [*proof(old, leaves[:k], whole), root(leaves[k:])]
    return [*proof(old - k, leaves[k:], whole=False), root(leaves[:k])]

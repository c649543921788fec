"""Merkle tree, tiles, checkpoints, proofs: what makes a journal checkable. No storage.

``tree``        RFC 6962 hashes, the right edge of a growing tree, paths in a small tree
``tiles``       the tree cut into tiles of 256 hashes, and what a store has to keep of them
``proofs``      inclusion and consistency, made from tiles, checked without them
``note``        signed notes, verifier keys, signature lines (C2SP signed-note)
``checkpoint``  size and root, signed by the log, cosigned by witnesses (C2SP tlog-cosignature)
``quorum``      which witnesses must have cosigned (C2SP tlog-policy)
``witness``     what a witness says of a checkpoint it is asked to cosign (C2SP tlog-witness)
``forks``       two checkpoints that no honest log signs, for anybody to check
``bundle``      one entry's inclusion proof with its checkpoint as one text (C2SP tlog-proof)
"""

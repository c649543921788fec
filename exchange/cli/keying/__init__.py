"""The verbs below ``exchange keys``, by what they do to a key."""

"""The verbs below ``exchange arrangement``: what custodians do, by files that travel."""

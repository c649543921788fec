"""Keys at rest: sealed under a passphrase, opened for as long as a process needs them."""

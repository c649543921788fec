"""One bulletin's proof as one file, that opens and verifies where the exchange was never seen."""

"""One bulletin's proof as one file, which verifies where the exchange was never seen."""

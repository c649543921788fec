"""The officer's desk: a local web application; keys and plaintext stay on this machine."""

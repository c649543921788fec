"""The agencies' interface: HTTP over TLS 1.3, thin around the node's one door."""

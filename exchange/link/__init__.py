"""Between sovereigns: what crosses from one nation's machines to another's, over HTTPS."""

"""The agency's side: seal, post, follow, open, acknowledge. Keys and plaintext stay here."""

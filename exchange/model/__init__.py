"""The words: bulletins, headers, entries and trust documents, and their strict codec."""

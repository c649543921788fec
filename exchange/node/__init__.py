"""The sovereign's side: one writer over one store, and readers that follow it."""

"""The auditor's side: look at a journal, or a copy of one, and trust nobody's word for it."""

"""The report for the dialogue: counted from what both nations' journals share."""

"""What the exchange concludes, without input or output: the auditor's replay calls the same."""

"""The verbs below ``exchange arrangement``, by what they tell of it."""

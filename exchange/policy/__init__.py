"""The rules: who may say what to whom, as functions of a header, a view and a time."""

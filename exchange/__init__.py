"""The broker over which agencies of Panama and the United States trade sealed bulletins."""

__version__ = "0.1.0"

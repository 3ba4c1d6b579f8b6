"""What can go wrong while measuring."""


class BenchError(Exception):
    """A figure cannot be had; the text says which program failed at what."""

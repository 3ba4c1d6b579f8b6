"""The sidecar's speed beside that of other proxies, measured on one machine: ``make bench``.

Nothing of the sidecar imports this package. It uses the sidecar only as a program, but for the pair
of keys that it signs its tokens with.
"""

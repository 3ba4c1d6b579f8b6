"""The admin port: probes, metrics, the version, the keys and the configuration, for operators.

It listens apart from the proxy, holds no secret, and changes nothing but for ``POST /drain``.
"""

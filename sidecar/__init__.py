"""sidecar: a version-aware service-mesh sidecar that knows when an old signing key may go."""

__version__ = "0.1.0"

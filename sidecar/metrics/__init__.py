"""What the sidecar counts, and how Prometheus reads it. One module a subject, one registry.

The request path adds to plain counters; collectors turn them into samples when they are scraped.
Every label value comes from a closed set or from the keyring, never from a client.
"""

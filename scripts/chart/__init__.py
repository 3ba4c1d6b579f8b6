"""What is derived from the Helm chart and kept beside it; ``python -m scripts.chart`` writes it."""

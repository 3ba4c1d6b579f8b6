"""Metric families of one label, from a mapping of its values. Pure."""

from collections.abc import Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric


def gauges(name: str, documentation: str, label: str, values: Mapping[str, float]) -> Metric:
    """A gauge for each value of the label."""
    family = GaugeMetricFamily(name, documentation, labels=(label,))
    for labelled, value in values.items():
        family.add_metric((labelled,), value)
    return family


def counters(name: str, documentation: str, label: str, values: Mapping[str, float]) -> Metric:
    """A counter for each value of the label."""
    family = CounterMetricFamily(name, documentation, labels=(label,))
    for labelled, value in values.items():
        family.add_metric((labelled,), value)
    return family

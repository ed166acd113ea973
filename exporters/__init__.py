"""Measurements for other systems: the Prometheus exporter will live here. Nothing is built here yet."""

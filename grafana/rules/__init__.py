"""Recording rules, alerts and Alertmanager's part, made from the tables that the monitor itself judges by."""

from grafana.rules.files import files

__all__ = ["files"]

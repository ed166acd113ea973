"""Diagnostics reports and tables from stored measurements will live here. Nothing is built here yet."""

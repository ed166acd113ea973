"""What others read of a monitor: metrics, probes, a status page. `run.exporting` serves all of it."""

"""What stands between the network and the exporter: TLS, users, and limits on what one client can take."""

from exporters.guard.guard import Guard

__all__ = ["Guard"]

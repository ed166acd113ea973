"""Keeping an eye on connections: a knock is one fresh connection, looked at and left."""

"""A broker on this machine: a seeded market, accounts and orders, served with faults on demand."""

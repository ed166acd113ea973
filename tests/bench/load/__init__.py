"""What a load generator costs, beside others: one lean server, one client process, each on a core of its own."""

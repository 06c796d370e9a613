"""A shop of many machines, each a network namespace of its own, that fail during a sale."""

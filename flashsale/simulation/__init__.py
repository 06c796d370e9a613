"""A simulated sale: many shoppers and an unreliable payment provider use the running server over HTTP."""

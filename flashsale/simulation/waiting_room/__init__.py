"""A simulated sale with a queue: its crowd, what clients see, and whether the draw was fair."""

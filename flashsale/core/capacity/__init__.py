"""How one process divides its threads and connections among kinds of requests."""

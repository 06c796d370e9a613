"""A whole system on one's own machine: embedded servers and the processes beside them."""

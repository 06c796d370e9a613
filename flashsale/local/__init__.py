"""A whole system on one machine for development: embedded servers, and the processes that use them."""

"""How staff log in and stay logged in, and what strangers can do about it."""

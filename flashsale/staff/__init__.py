"""The back office's people: how they log in and stay logged in, and what is kept of what they did."""

"""What every endpoint of the HTTP API shares: errors, authentication, rate limits, and its description."""

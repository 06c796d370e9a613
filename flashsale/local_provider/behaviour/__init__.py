"""What stands between a request and its execution: idempotency keys, rate limits, habits and faults."""

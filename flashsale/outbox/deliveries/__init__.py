"""Deliveries of events to the endpoints: signed, tried again with backoff, sent to checked addresses only."""

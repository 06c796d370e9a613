"""What the back office API shows and changes of events' endpoints and deliveries."""

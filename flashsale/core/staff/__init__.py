"""What the admin pages of several apps share."""

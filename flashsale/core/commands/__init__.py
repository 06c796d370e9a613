"""What management commands share: strict arguments, and interrupts at safe points."""

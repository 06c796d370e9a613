"""The admin site as a whole: its pages, its errors, log-ins, roles, and the history of what staff did."""

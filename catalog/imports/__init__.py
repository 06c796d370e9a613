"""Products from a CSV file: parsed strictly, previewed, and added all or none."""

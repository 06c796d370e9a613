"""Products from a spreadsheet: read strictly, shown, and added all at once."""

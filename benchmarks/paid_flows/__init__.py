"""What whole paid flows cost: alone, with the shop's own payment, with and without events."""

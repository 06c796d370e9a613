"""The search of the side bar: one box that finds orders, holds, payments, events, products, accounts and pages."""

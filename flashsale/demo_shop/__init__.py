"""The demo shop at `/`: one page with one script on the public API, the documentation's example of a storefront."""

"""The OpenAPI document, and the Postman collection that is generated from it."""

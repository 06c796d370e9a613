"""A CSV file of products, uploaded in the admin."""

import csv
import io

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse


def import_of(admin_client, **columns: str):
    """Upload a file with one product that has these columns; returns the preview."""
    columns = {"name": "Widget", "price": "1.00", "currency": "USD", "stock": "1"} | columns
    file = io.StringIO()
    csv.writer(file).writerows([columns.keys(), columns.values()])
    upload = SimpleUploadedFile("products.csv", file.getvalue().encode())
    return admin_client.post(reverse("admin:catalog_product_import_csv"), {"file": upload})

"""What large tables cost: the queries of a sale, the pages of the admin, the lists of the back office."""

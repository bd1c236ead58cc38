"""The bill computed a second time, independently of the product, and ways to compare the two."""

"""What a test's reports come to: results, and the values in them."""

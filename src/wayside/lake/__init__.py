"""What was true: bronze, silver and gold as open Delta tables, their export, and SQL over them."""

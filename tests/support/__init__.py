"""What several test folders share besides fixtures."""

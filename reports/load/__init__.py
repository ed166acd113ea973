"""What a load run found, as a page with pictures and as tables."""

"""What was measured, as something people read and other programs take: pages, tables, JSON, Markdown."""

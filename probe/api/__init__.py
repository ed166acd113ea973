"""What `import probe` offers: sessions to ask and listen to, a monitor, a pool and a cache. docs/api.md shows each at work."""

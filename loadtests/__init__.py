"""Load tests: Locust users on the same session core as every other command. Nothing is built here yet."""

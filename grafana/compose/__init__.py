"""What the containers of compose.yaml run and read."""

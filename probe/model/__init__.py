"""The words every other part speaks: endpoints, credentials, events, failures, errors. Standard library only."""

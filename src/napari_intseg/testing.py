"""What a third-party model needs to test itself."""

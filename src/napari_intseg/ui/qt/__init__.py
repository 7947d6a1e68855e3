"""What is Qt's: threads, signals, dialogs, keys."""

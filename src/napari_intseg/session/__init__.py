"""One person's work, headless: prompts, answers, undo."""

"""What a person does in the viewer, handed to a session."""

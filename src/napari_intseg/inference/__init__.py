"""One slice, any model: which view to take, and the way back."""

"""Files in and out, with their geometry; the only room where SimpleITK lives."""

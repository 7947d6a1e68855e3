"""Parts of the dock widget, one file each."""

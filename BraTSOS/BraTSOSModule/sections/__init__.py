"""The panel's sections, one file each: what their widgets do."""

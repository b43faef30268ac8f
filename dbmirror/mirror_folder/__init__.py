"""What lies in a mirror's folder, which a stranger may have filled: plain files and folders, never a link."""

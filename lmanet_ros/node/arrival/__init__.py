"""What is decided when a message comes: listened to, checked, let through, or reported missing."""

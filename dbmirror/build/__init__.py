"""The image by BuildKit: secrets, the record of what was built, many mirrors at once."""

"""The cases, one file each; ../README.md says what a case file has."""

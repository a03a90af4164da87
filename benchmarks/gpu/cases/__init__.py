"""The cases on a GPU, one file each; ../../README.md says what a case file has."""

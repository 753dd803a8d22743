"""What the solver makes of small worlds of text, here and in dnf; README.md has the format."""

"""The only code that touches the machine; foreign objects become model values here."""

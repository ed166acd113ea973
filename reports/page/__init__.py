"""What the pages of all reports are made of: pictures, their axes, the style, and the templates of heads and tables."""

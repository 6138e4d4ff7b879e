"""The winner's model card, in Markdown. The operator makes it too, so that nothing here draws."""

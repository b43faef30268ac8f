"""The verbs, one small module a family: the only code that prints or prompts."""

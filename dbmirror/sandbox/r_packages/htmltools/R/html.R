HTML <- function(text, ...) structure(text, class = "html")

Rserve <- function(...) stop("This stand-in serves nothing.")

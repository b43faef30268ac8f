hwriteString <- function(x, ...) hwrite(x, ...)

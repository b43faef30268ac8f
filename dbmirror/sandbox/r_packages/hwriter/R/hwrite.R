hwrite <- function(x, ...) paste0("<p>", x, "</p>")

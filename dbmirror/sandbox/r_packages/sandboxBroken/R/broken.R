broken <- function() TRUE

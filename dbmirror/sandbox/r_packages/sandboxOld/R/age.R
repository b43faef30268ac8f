age <- function() "old"

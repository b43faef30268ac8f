origin <- function() "git"

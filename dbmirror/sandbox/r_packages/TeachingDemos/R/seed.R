char2seed <- function(x, set = FALSE) sum(utf8ToInt(x))
